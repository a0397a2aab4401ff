"""Critical paths out of recorded reports of nextpnr, in terms of our components."""

import json
from pathlib import Path

import pytest

from hw.flow.timing import CriticalPath, component_paths, read_timing
from model.errors import CheckError

RECORDED = Path(__file__).parent / "recorded"
COMPONENTS = {"core", "core.tally", "core.sender", "core.sender.crc", "core.engine",
              "core.engine.sum_side", "core.engine.sum_side.array"}  # fmt: skip

# Modules and cells as Amaranth writes them, a name that it had to number among them.
SOURCE = r"""
module \top.core.engine.pool$3
module \top.core.engine
  cell \top.core.engine.pool$3 \pool
    connect \clk \clk
module \top.core
  cell \top.core.engine \engine
  cell $add $1
module \top
  cell \top.core \core
  cell \SB_IO \buf
""".splitlines()


def step(kind, delay, source, target):
    return {"type": kind, "delay": delay, "from": {"cell": source}, "to": {"cell": target}}


def report(*paths, achieved=28.0, constraint=24.0):
    fmax = {"sync": {"achieved": achieved, "constraint": constraint}}
    return {"fmax": fmax, "critical_paths": [
        {"from": start, "to": end, "path": list(path)} for start, end, path in paths
    ]}  # fmt: skip


def test_modules_are_found_by_the_names_of_their_instances():
    assert component_paths(SOURCE, "top") == {"core", "core.engine", "core.engine.pool"}


def test_path_of_a_recorded_report():
    """iCE40 UP5K, digits at 8 lanes and 2 channels: the counter of the tally, a long carry."""
    page = json.loads((RECORDED / "ice40.timing.json").read_text())
    timing = read_timing(page, 16, COMPONENTS)
    assert timing.fmax_mhz == pytest.approx(28.62, abs=0.01) and timing.met
    path = timing.path
    assert path.components == ("sender", "tally")
    assert (path.start, path.end) == ("sender.number", "tally.counters[1]")
    # The path is the period.
    assert path.logic_ns + path.routing_ns == pytest.approx(1000 / timing.fmax_mhz, abs=0.02)
    assert "sender -> tally (sender.number to tally.counters[1])" in str(path)
    assert timing.plain()["text"] == str(path)


def test_path_is_the_slowest_of_the_clock_itself():
    slow = [
        step("clk-to-q", 1.0, "core.engine.sum_side.a_SB_DFF_Q_3_LC", "-"),
        step("routing", 2.0, "core.engine.sum_side.a_SB_DFF_Q_3_LC", "x"),
        step("logic", 0.5, "core.engine.sum_side.array.t_SB_LUT4_O_LC", "x"),
        step("routing", 3.0, "core.engine.sum_side.array.t_SB_LUT4_O_LC", "x"),
        step("setup", 0.5, "core.tally.n_SB_DFF_Q_LC", "core.tally.n_SB_DFF_Q_LC"),
    ]
    quick = [step("clk-to-q", 9.0, "core.engine.a", "core.engine.a")]
    page = report(
        ("posedge sync", "posedge sync", quick[:0]),
        ("posedge sync", "posedge sync", slow[:2]),
        ("posedge sync", "posedge sync", slow),
        ("<async>", "posedge sync", [step("routing", 99.0, "pin", "core.tally.n")]),
    )
    path = read_timing(page, 24, COMPONENTS).path
    assert path == CriticalPath(
        start="engine.sum_side.a", end="tally.n",
        components=("engine.sum_side", "engine.sum_side.array", "tally"),
        cells=1, logic_ns=2.0, routing_ns=5.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("core.engine.sum_side.indices.0.8_RAM", "engine.sum_side.indices"),
        ("core.engine.sum_side.indices.0.8", "engine.sum_side.indices"),
        ("core.tally.counters[1]_SB_DFFE_Q_DFFLC", "tally.counters[1]"),
        ("core.tally.kind_TRELLIS_FF_Q_2", "tally.kind"),
        ("core.tally.kind_DFFRE_Q", "tally.kind"),
        ("$nextpnr_ICESTORM_LC_44", "$nextpnr_ICESTORM_LC_44"),
    ],
)
def test_registers_are_named_by_their_signals(cell, name):
    page = report(("posedge sync", "posedge sync", [step("clk-to-q", 1.0, cell, cell)]))
    path = read_timing(page, 24, COMPONENTS).path
    assert path.start == path.end == name


def test_report_without_paths_has_none():
    timing = read_timing(report(), 24)
    assert timing.path is None and timing.plain() is None


def test_clock_that_was_not_analysed_is_refused():
    with pytest.raises(CheckError, match="24 MHz was not analysed by nextpnr .*sync at 12 MHz"):
        read_timing(report(constraint=12.0), 24)
