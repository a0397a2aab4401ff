"""--clock auto: the highest clock that closes, in a bounded number of builds."""

import io
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import pytest

from hw import build as command
from hw.boards import BOARDS
from hw.flow import fastest
from hw.flow.builder import Request
from hw.flow.fastest import MOST_RUNS, WORTHWHILE, build_fastest
from hw.flow.flows import Flow
from hw.flow.progress import Progress
from model.errors import UserError
from tests.test_build_report import make_report

BOARD = BOARDS["icebreaker"]


def search(tmp_path, monkeypatch, reaches, start=24):
    """Run the search with a router that reaches ``reaches(target)``; (report, targets)."""
    targets = []

    def build(request, progress):
        assert request.settings == BOARD.pll_settings(request.clock_mhz)
        targets.append(request.clock_mhz)
        (request.folder / "top.bin").write_text(f"{float(request.clock_mhz):g}")
        fmax = reaches(request.clock_mhz)
        met = None if fmax is None else fmax >= request.clock_mhz
        report = make_report(
            clock_mhz=float(request.clock_mhz), fmax_mhz=fmax and round(float(fmax), 2),
            timing_met=met, notes=[],
        )  # fmt: skip
        return report

    monkeypatch.setattr(fastest, "build", build)
    request = Request(
        board=BOARD, program=None, model="digits", choice="", clock_mhz=Fraction(start),
        settings=None, baud=1_000_000, folder=tmp_path, command="", flow=Flow("open"),
    )  # fmt: skip
    said = io.StringIO()
    report = build_fastest(request, BOARD.clocks(), Progress(said))
    assert f"run 1 of at most {MOST_RUNS}: {start} MHz" in said.getvalue()
    # The result lies in the folder itself, and nothing else is left.
    assert [path.name for path in tmp_path.iterdir()] == ["top.bin"]
    assert (tmp_path / "top.bin").read_text() == f"{report.clock_mhz:g}"
    assert len(targets) == len(set(targets)) <= MOST_RUNS
    return report, [float(target) for target in targets]


def test_climbs_to_what_the_router_reaches(tmp_path, monkeypatch):
    # It reaches 4 MHz more than asked for, up to 32.
    report, targets = search(tmp_path, monkeypatch, lambda f: min(f + 4, Fraction(32)))
    assert targets == [24, 27.75, 31.5, 31.875]
    assert report.clock_mhz == 31.875 and report.timing_met
    assert "24 MHz reached 28.00, 27.75 MHz reached 31.75, 31.5 MHz" in report.notes[0]
    higher = [c for c in BOARD.clocks() if report.clock_mhz * (1 + WORTHWHILE) <= c <= 32]
    assert not higher


def test_a_miss_on_the_way_up_leaves_the_best_that_met(tmp_path, monkeypatch):
    reached = {24: 30, 30: 27, 27: Fraction(108, 4)}
    report, targets = search(tmp_path, monkeypatch, lambda f: Fraction(reached[int(f)]))
    assert targets == [24, 30, 27]
    assert report.clock_mhz == 27 and report.timing_met


def test_goes_down_from_a_clock_that_is_missed(tmp_path, monkeypatch):
    report, targets = search(tmp_path, monkeypatch, lambda f: Fraction(20))
    assert targets[0] == 24 and report.timing_met
    assert report.clock_mhz == max(float(c) for c in BOARD.clocks() if c <= 20)


def test_none_that_closes_is_a_missed_clock(tmp_path, monkeypatch):
    report, targets = search(tmp_path, monkeypatch, lambda f: Fraction(f) - 1)
    assert len(targets) == MOST_RUNS and report.timing_met is False
    # Slower than any clock of the board: one run is enough to know.
    report, targets = search(tmp_path, monkeypatch, lambda f: Fraction(5))
    assert targets == [24] and report.timing_met is False


def test_design_that_was_not_routed_is_tried_once(tmp_path, monkeypatch):
    report, targets = search(tmp_path, monkeypatch, lambda f: None)
    assert targets == [24] and report.timing_met is None and report.notes == []


def test_board_without_a_router_is_told_so(tmp_path):
    with pytest.raises(UserError, match="--clock auto needs a router: name a clock in MHz"):
        command.main(["--board", "arty_a7", "--clock", "auto", "--out", str(tmp_path / "out")])


def test_only_clocks_that_the_serial_line_can_use(tmp_path, monkeypatch):
    seen = []

    def build_fastest(request, clocks, progress):
        seen.extend(clocks)
        return replace(make_report(), clock_mhz=24.0)

    monkeypatch.setattr(command, "build_fastest", build_fastest)
    monkeypatch.setattr(command, "find_tool", lambda tool: ["tool"])
    monkeypatch.setattr(command, "choose", lambda *args, **kwargs: SimpleNamespace(
        program=SimpleNamespace(network=SimpleNamespace(name="digits")), reason="given"
    ))  # fmt: skip
    options = ["--board", "icebreaker", "--clock", "auto", "--baud", "3000000"]
    assert command.main([*options, "--out", str(tmp_path)]) == 0
    assert Fraction(12) in seen and Fraction(24) in seen
    # 13 MHz are 4.33 cycles of a bit: no whole number is within 2 %.
    assert all(abs(float(c) / round(c / 3) - 3) <= 0.06 for c in seen)
    assert len(seen) < len(BOARD.clocks())
