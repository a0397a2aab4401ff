"""Reading what routers for 7-series say: clocks, cells, hold times, and why one failed."""

import json

import pytest

from hw.flow.progress import Stage
from hw.flow.tools import Tool, run_tool
from hw.flow.xc7.log import hold_violations, read_clocks, read_utilisation
from hw.flow.xc7.nextpnr import LOG, REPORT, read_routed
from hw.flow.xc7.vivado import read_resources, read_vivado_timing
from model.errors import CheckError
from tests import xc7_logs


def routed(folder, log, clock=100.0, report=None):
    (folder / LOG).write_text(log)
    (folder / "top.il").write_text("module \\top\n")
    if report is not None:
        (folder / REPORT).write_text(json.dumps(report))
    return read_routed(folder, clock)


def test_the_last_word_on_a_clock_counts():
    assert read_clocks(xc7_logs.FORK) == {"cd_sync.clk": {"achieved": 143.04, "constraint": 100.0}}


def test_padded_clock_names_of_several_clocks():
    log = """\
Info: Max frequency for clock          'a': 300.00 MHz (PASS at 100.00 MHz)
Info: Max frequency for clock '$abc$1$x': 101.00 MHz (PASS at 100.00 MHz)
"""
    assert set(read_clocks(log)) == {"a", "$abc$1$x"}


def test_cells():
    cells = read_utilisation(xc7_logs.FORK)
    assert cells["SLICE_LUTX"] == {"used": 8140, "available": 65200}
    assert cells["CARRY4"] == {"used": 500, "available": 8150}
    assert len(cells) == 5


def test_fork_by_its_log(tmp_path):
    found = routed(tmp_path, xc7_logs.FORK)
    assert (found.timing.fmax_mhz, found.timing.met) == (143.04, True)
    assert found.utilisation["SLICE_FFX"]["used"] == 4263
    assert found.notes == []


def test_mainline_by_its_report(tmp_path):
    found = routed(tmp_path, xc7_logs.MAINLINE, report=xc7_logs.MAINLINE_REPORT)
    assert found.timing.fmax_mhz == pytest.approx(183.98895)
    assert set(found.utilisation) == {"SLICE_LUTX", "RAMB36E1"}  # what is used at all


def test_missed_timing_is_no_failure_of_the_router(tmp_path):
    found = routed(tmp_path, xc7_logs.FORK_MISSED)
    assert (found.timing.fmax_mhz, found.timing.met) == (91.27, False)


@pytest.mark.parametrize(
    ("log", "saw"), [(xc7_logs.FORK_ON_THE_PAD, "cd_sync.clk at 12 MHz"), ("", "none")]
)
def test_clock_that_was_not_analysed_is_refused(tmp_path, log, saw):
    with pytest.raises(CheckError, match=f"100 MHz was not analysed by nextpnr .it saw: {saw}"):
        routed(tmp_path, log)


def test_of_two_clocks_the_slower_counts(tmp_path):
    found = routed(tmp_path, xc7_logs.FORK + "Info: Max frequency for clock 'b': 99.00 MHz "
                   "(FAIL at 100.00 MHz)\n")  # fmt: skip
    assert (found.timing.clock, found.timing.met) == ("b", False)


def test_hold_times_are_told(tmp_path):
    assert hold_violations(xc7_logs.MAINLINE_HOLD) == 1
    (note,) = routed(tmp_path, xc7_logs.MAINLINE_HOLD).notes
    assert "1 paths as too short" in note


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (xc7_logs.FORK_UNROUTABLE, "ERROR: Failed to route arc 0 of net"),
        (xc7_logs.MAINLINE_ABORT, "Package 'icsg324' not found"),
        (xc7_logs.INCONSISTENT, 'FasmInconsistentBits: FASM line "BRAM_L_X6Y225'),
        ("unrecognised option '--report'\n", "exit status 3 after \"unrecognised option"),
        ("nothing of note\n", "exit status 3"),
    ],
)
def test_reason_of_a_failure_is_one_line(tmp_path, monkeypatch, said, reason):
    (tmp_path / "said").write_text(said)
    monkeypatch.setenv("TOOL", "sh")
    tool = Tool("tool", "TOOL", "none", "none", "-V")
    with pytest.raises(CheckError) as caught:
        run_tool(tool, ["-c", "cat said; exit 3"], tmp_path, tmp_path / "log", Stage("run"))
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_killed_router_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOL", "sh")
    tool = Tool("tool", "TOOL", "none", "none", "-V")
    with pytest.raises(CheckError, match=r"ended by signal SIGKILL \(out of memory\?\)"):
        run_tool(tool, ["-c", "kill -9 $$"], tmp_path, tmp_path / "log", Stage("run"))


def test_vivado_timing_of_the_clock_behind_the_pll():
    timing = read_vivado_timing(xc7_logs.VIVADO_TIMING, 120.0)
    assert timing.clock == "cd_sync.clk" and timing.met
    assert timing.fmax_mhz == pytest.approx(1000 / (8.333 - 0.612))


def test_vivado_missed():
    report = xc7_logs.VIVADO_TIMING.replace("cd_sync.clk       0.612", "cd_sync.clk      -0.250")
    timing = read_vivado_timing(report, 120.0)
    assert not timing.met and timing.fmax_mhz == pytest.approx(1000 / (8.333 + 0.25))


def test_vivado_with_another_clock_is_refused():
    # 100 MHz is the oscillator's, and nothing runs at it.
    for clock in (100.0, 50.0):
        with pytest.raises(CheckError, match="was not analysed by Vivado"):
            read_vivado_timing(xc7_logs.VIVADO_TIMING, clock)
    with pytest.raises(CheckError, match="it saw: none"):
        read_vivado_timing("", 100.0)


def test_vivado_hold_times():
    report = xc7_logs.VIVADO_TIMING.replace("14723        0.022", "14723       -0.104", 1)
    with pytest.raises(CheckError, match="hold times: 0.104 ns short"):
        read_vivado_timing(report, 120.0)


def test_vivado_cells():
    found = read_resources(xc7_logs.VIVADO_CELLS)
    assert vars(found) == {"lut": 9012, "lutram": 1024, "ff": 6100, "bram": 10.5, "dsp": 8}
    older = xc7_logs.VIVADO_CELLS.replace("| Slice LUTs ", "| Slice LUTs*").replace("10.5", "  11")
    assert read_resources(older).bram == 11
    with pytest.raises(CheckError, match="no row 'DSPs'"):
        read_resources(xc7_logs.VIVADO_CELLS.replace("DSPs", "what"))
