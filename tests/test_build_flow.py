"""The real tools on a small network: a netlist for the Arty, a bitstream for the ULX3S."""

import json

import pytest

from hw import build
from hw.flow.netlist_check import risky_cells
from hw.flow.report import overfull
from model.format import save
from sim.synthetic import random_network

SIZE = ("--pixels", "4", "--channels", "2")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    network = random_network(
        1, image=(1, 4, 4), levels=2, channels=(3,), pools=("none",), classes=2
    )
    save(network, path)
    return str(path)


def test_arty_netlist(tmp_path, model, capsys):
    status = build.main(["--board", "arty_a7", "--model", model, *SIZE, "--out", str(tmp_path)])
    assert status == 0
    made = json.loads((tmp_path / "report.json").read_text())
    assert (made["stage"], made["fmax_mhz"], made["timing_met"]) == ("netlist", None, None)
    assert made["tools"]["yosys"].startswith("0.")
    assert 500 < made["resources"]["lut"]["used"] < 10_000
    assert made["resources"]["dsp"]["used"] == 0
    assert not overfull(made["resources"])
    assert "nextpnr-xilinx" in capsys.readouterr().out

    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]
    assert risky_cells(cells) == []
    assert not [c for c in cells["cells"].values() if c["type"] == "$scopeinfo"]
    constraints = (tmp_path / "top.xdc").read_text()
    # Every port has its pin once, and the oscillator its clock.
    for port in cells["ports"]:
        assert constraints.count(f'PACKAGE_PIN {PINS[port]} [get_ports "{port}"]') == 1
    assert 'create_clock -period 10.000 [get_ports "clk100_0__io"]' in constraints
    assert "module top(" in (tmp_path / "top.v").read_text()


# Digilent's Arty-A7-35-Master.xdc.
PINS = {
    "clk100_0__io": "E3",
    "rst_0__io": "C2",
    "uart_0__rx__io": "A9",
    "uart_0__tx__io": "D10",
    "led_0__io": "H5",
    "led_1__io": "J5",
    "led_2__io": "T9",
}


@pytest.mark.slow
def test_ulx3s_bitstream(tmp_path, model):
    status = build.main(
        ["--board", "ulx3s_85f", "--model", model, *SIZE, "--clock", "40", "--out", str(tmp_path)]
    )
    assert status == 0
    made = json.loads((tmp_path / "report.json").read_text())
    assert made["stage"] == "bitstream" and made["timing_met"] is True
    assert made["clock_mhz"] == 40.0 <= made["fmax_mhz"]
    # The clock that nextpnr analysed is the PLL's, not the oscillator's.
    timing = json.loads((tmp_path / "top.timing.json").read_text())
    assert [round(c["constraint"], 1) for c in timing["fmax"].values()] == [40.0]
    assert (tmp_path / "top.bit").stat().st_size > 100_000
    pins = (tmp_path / "top.lpf").read_text()
    for port, pin in (("clk25_0__io", "G2"), ("uart_0__rx__io", "M1"), ("uart_0__tx__io", "L4")):
        assert f'LOCATE COMP "{port}" SITE "{pin}";' in pins
