"""The build's report: the contract of its keys, its failures, and that no half of it is seen."""

import json
from dataclasses import replace

import pytest

from hw.boards import BOARDS, find_board
from hw.build import check
from hw.flow.report import BuildReport, overfull, remove_report, resource_table, write_report
from hw.flow.resources import Resources, count_cells
from hw.flow.timing import read_timing
from model import files
from model.errors import CheckError, UserError

CONTRACT = {
    "board", "part", "stage", "tools", "resources", "clock_mhz", "fmax_mhz", "timing_met",
    "cycles_per_image", "images_per_second", "seconds",
}  # fmt: skip
RESOURCES = {"lut", "lutram", "ff", "bram", "dsp"}


def make_report(**changes):
    board = BOARDS["ulx3s_85f"]
    report = BuildReport(
        board=board.name,
        title=board.title,
        family=board.family,
        part=board.part,
        stage="bitstream",
        tools={"yosys": "0.70", "nextpnr-ecp5": "0.11.1"},
        command="python -m hw.build --board ulx3s_85f",
        commit=None,
        model={"name": "digits", "file": "digits", "image": [1, 8, 8], "stored_bits": 1},
        parameters={"array": "shared", "pixels": 64, "channels": 16, "fill": 2, "tau": 5},
        choice="Parameters as given.",
        resources=resource_table(Resources(40000, 600, 9000, 50, 3), board.available),
        fits=True,
        clock_mhz=50.0,
        fmax_mhz=61.25,
        timing_met=True,
        cycles_per_image=1000,
        images_per_second=50000.0,
        serial_images_per_second=1562.5,
        seconds=12.5,
        stage_seconds={"synthesise": 10.0},
        products=["top.bit"],
        layers=[{"name": "conv1", "cycles": 900, "useful": 800}],
        notes=["a note"],
    )
    return replace(report, **changes)


def test_report_keeps_its_contract(tmp_path):
    write_report(make_report(), tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report.keys() >= CONTRACT
    assert report["resources"].keys() == RESOURCES
    for row in report["resources"].values():
        assert row.keys() == {"used", "available"}
    assert report["stage"] in ("netlist", "bitstream")
    page = (tmp_path / "report.md").read_text()
    for text in ("61.25 MHz", "met", "40,000", "83,640", "a note", "1,000 cycles", "conv1"):
        assert text in page
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.json", "report.md"]


def test_netlist_report_says_that_timing_is_unknown(tmp_path):
    write_report(make_report(stage="netlist", fmax_mhz=None, timing_met=None), tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["fmax_mhz"] is None and report["timing_met"] is None
    assert "not known before place and route" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("failing", ["write", "replace"])
def test_no_half_report_is_left(tmp_path, monkeypatch, failing):
    def interrupted(*_):
        raise KeyboardInterrupt

    if failing == "write":
        monkeypatch.setattr(files.os, "chmod", interrupted)
    else:
        monkeypatch.setattr(files.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(make_report(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_remove_report(tmp_path):
    write_report(make_report(), tmp_path)
    remove_report(tmp_path)
    remove_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_good_report_passes():
    check(make_report())
    check(make_report(stage="netlist", fmax_mhz=None, timing_met=None))


def stat(**cells):
    return {"design": {"num_cells_by_type": cells}}


@pytest.mark.parametrize(
    ("cells", "name", "text"),
    [
        ({"LUT6": 20801}, "lut", "needs 20,801 lut and xc7a35tcsg324-1 has 20,800"),
        ({"RAM32M": 2401}, "lutram", "needs 9,604 lutram and xc7a35tcsg324-1 has 9,600"),
        ({"FDRE": 50000}, "ff", "needs 50,000 ff and xc7a35tcsg324-1 has 41,600"),
        ({"RAMB36E1": 50, "RAMB18E1": 1}, "bram", "needs 50.5 bram and xc7a35tcsg324-1 has 50"),
        ({"DSP48E1": 91}, "dsp", "needs 91 dsp and xc7a35tcsg324-1 has 90"),
    ],
)
def test_design_that_does_not_fit_is_refused(cells, name, text):
    board = BOARDS["arty_a7"]
    resources = resource_table(count_cells(stat(**cells), board.family), board.available)
    assert overfull(resources) == [name]
    report = make_report(
        board=board.name, part=board.part, family="xc7", stage="netlist", resources=resources,
        fits=False, fmax_mhz=None, timing_met=None,
    )  # fmt: skip
    with pytest.raises(CheckError) as caught:
        check(report)
    assert text in str(caught.value)
    assert "--pixels" in str(caught.value) and "now 64 pixels, 16 channels" in str(caught.value)
    assert caught.value.exit_status == 1


def test_design_that_just_fits_passes():
    board = BOARDS["arty_a7"]
    cells = stat(LUT6=20800 - 9600, RAM32M=2400, FDRE=41600, RAMB36E1=50, DSP48E1=90)
    assert overfull(resource_table(count_cells(cells, "xc7"), board.available)) == []


def test_missed_timing_says_by_how_much():
    with pytest.raises(CheckError, match=r"45\.93 MHz reached, 50 MHz wanted, 4\.07 MHz short"):
        check(make_report(fmax_mhz=45.93, timing_met=False))


def fmax(**clocks):
    return {
        "fmax": {
            name: {"achieved": achieved, "constraint": constraint}
            for name, (achieved, constraint) in clocks.items()
        }
    }


def test_timing_of_the_clock_that_was_asked_for():
    timing = read_timing(fmax(clk25=(300.0, 25.0), sync=(45.9, 50.0)), 50)
    assert (timing.clock, timing.fmax_mhz, timing.met) == ("sync", 45.9, False)
    assert read_timing(fmax(sync=(80.5, 80.0)), 80).met
    # nextpnr keeps periods in picoseconds: 16667 ps are not 60 MHz exactly.
    assert read_timing(fmax(sync=(61, 59.9988)), 60).met


@pytest.mark.parametrize("analysed", [{}, {"sync": (45.9, 12.0)}])
def test_clock_that_was_not_analysed_is_refused(analysed):
    with pytest.raises(CheckError, match="50 MHz was not analysed"):
        read_timing(fmax(**analysed), 50)


def test_unknown_board_lists_the_known_ones():
    with pytest.raises(UserError, match=r"'artix' is not known; known boards: arty_a7, arty"):
        find_board("artix")
