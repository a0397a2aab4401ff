"""What is estimated before any tool runs, against what tools made: cells and clocks."""

import json
from math import sqrt

import pytest

from hw import check_estimates
from hw.boards import BOARDS
from hw.check_estimates import comparisons, main
from hw.flow import clock
from hw.flow.clock import CLOCKS, estimate_clock
from hw.flow.resources import Resources
from model.errors import CheckError


def test_estimates_against_yosys(monkeypatch, capsys):
    """Block RAM exactly, LUTs within 15 %, of at least ten designs of both families and arrays."""
    monkeypatch.setattr("sys.argv", ["check_estimates"])
    main()
    found = list(comparisons())
    assert len(found) >= 10 and sum(not one.fitted for one in found) >= 2
    for one in found:
        assert one.estimated.bram == one.measured.bram, one.name
        assert one.estimated.lut == pytest.approx(one.measured.lut, rel=0.15), one.name
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(found)
    assert sum("never fitted to" in line for line in lines) == sum(not o.fitted for o in found)


@pytest.mark.parametrize("change", [{"lut": 1600}, {"bram": 7}])
def test_what_is_off_fails(monkeypatch, change):
    measured = {"lut": 1000, "lutram": 0, "ff": 0, "bram": 8, "dsp": 0}
    wrong = check_estimates.Comparison(
        "it", None, True, Resources(**measured | change), Resources(**measured)
    )
    monkeypatch.setattr(check_estimates, "comparisons", lambda: iter([wrong]))
    monkeypatch.setattr("sys.argv", ["check_estimates"])
    with pytest.raises(CheckError, match="it"):
        main()


def test_clocks_are_those_of_designs_no_larger(monkeypatch):
    monkeypatch.setattr(clock, "_measured", lambda family: [(100, 90.0), (200, 80.0), (400, 85.0)])
    board = BOARDS["ulx3s_85f"]
    for luts, wanted in ((50, 90.0), (100, 90.0), (199, 90.0), (200, 80.0), (400, 80.0)):
        assert estimate_clock(board, luts).mhz == wanted, luts
    larger = estimate_clock(board, 900)
    assert larger.mhz == pytest.approx(80 / sqrt(900 / 400), abs=0.05)
    assert "2.25" in larger.basis


def test_no_clock_without_a_measured_one():
    found = estimate_clock(BOARDS["arty_a7"], 1000)
    assert found.mhz is None and "not estimated" in found.basis


def test_recorded_clocks_belong_to_boards():
    for row in json.loads(CLOCKS.read_text("utf-8"))["rows"]:
        assert row["board"] in BOARDS and row["fmax_mhz"] > 0 and row["lut"] > 0 and row["commit"]
