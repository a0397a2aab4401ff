"""The small boards: pins, logic cells, what fits; with their tools a bitstream, twice the same."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from hw import build
from hw.boards import BOARDS
from hw.boards.top import BoardTop
from hw.compiler import compile_network
from hw.engine import Engine
from hw.flow.autosize import choose
from hw.flow.builder import tools_of
from hw.flow.flows import Flow
from hw.flow.netlist import elaborate
from hw.flow.progress import Stage
from hw.flow.resources import count_cells, lone_flip_flops
from hw.flow.tools import tool_version
from hw.link.identity import buffer_depth, describe
from hw.top import BoardCore
from model.format import save
from model.shipped import load_model
from sim.synthetic import random_network

SMALL = ("icebreaker", "tang_nano_9k", "gatemate_evb")
SIZE = ("--pixels", "4", "--channels", "2")

# 1BitSquared's iCEBreaker schematic, Sipeed's Tang Nano 9K schematic, Olimex' GateMateA1-EVB.ccf.
PINS = {
    "icebreaker": ["set_io clk12_0__io 35\n", "set_io uart_0__rx__io 6\n",
                   "set_io uart_0__tx__io 9\n", "set_frequency clk12_0__io 12.0\n"],
    "tang_nano_9k": ['IO_LOC "clk27_0__io" 52;', 'IO_LOC "uart_0__rx__io" 18;',
                     'IO_LOC "uart_0__tx__io" 17;'],
    "gatemate_evb": ['NET "clk10_0__io" Loc = "IO_SB_A8"', 'NET "uart_0__rx__io" Loc = "IO_EA_B4"',
                     'NET "uart_0__tx__io" Loc = "IO_EA_A4"', 'NET "led_0__io" Loc = "IO_SB_B6"'],
}  # fmt: skip


def tiny():
    return random_network(1, image=(1, 4, 4), levels=2, channels=(3,), pools=("none",), classes=2)


@pytest.mark.parametrize("name", SMALL)
def test_pins_and_clock(tmp_path, name):
    board = BOARDS[name]
    program = compile_network(tiny(), array="direct", pixels=4, channels=2)
    core = BoardCore(Engine(program), clock_hz=board.default_clock_mhz * 1e6, baud=1_000_000)
    settings = board.pll_settings(2 * board.default_clock_mhz)
    elaborate(board, BoardTop(board, core, settings), tmp_path)
    pins = (tmp_path / f"top.{board.constraints}").read_text()
    for line in PINS[name]:
        assert line in pins
    source = (tmp_path / "top.il").read_text()
    assert board.pll.name in source


def test_settings_of_the_ice40_pll_are_those_of_icepll():
    """What Project IceStorm's ``icepll -i 12 -o CLOCK`` prints: DIVR 0, DIVF, DIVQ."""
    for clock, divf, divq in ((24, 63, 5), (30, 79, 5), (48, 63, 4), (60, 79, 4)):
        settings = BOARDS["icebreaker"].pll_settings(clock)
        assert (settings.input_divider, settings.feedback - 1) == (1, divf)
        assert settings.output_divider == 1 << divq


def cell(kind, **ports):
    directions = {port: "output" if port in "OQ" else "input" for port in ports}
    return {"type": kind, "port_directions": directions,
            "connections": {port: [bit] for port, bit in ports.items()}}  # fmt: skip


def test_logic_cells_of_an_ice40():
    """A flip-flop shares the cell of the LUT that feeds it, where that feeds nothing else."""
    cells = {
        "shared": cell("SB_LUT4", I0=2, O=3), "its": cell("SB_DFF", D=3, Q=4),
        "read twice": cell("SB_LUT4", I0=4, O=5), "lone": cell("SB_DFFESR", D=5, Q=6),
        "reader": cell("SB_LUT4", I0=5, O=7),
        "of a pin": cell("SB_DFFE", D=8, Q=9),
    }  # fmt: skip
    module = {"cells": cells, "ports": {"i": {"bits": [2, 8]}, "o": {"bits": [6, 7, 9]}}}
    assert lone_flip_flops(module) == 2
    stat = {"SB_LUT4": 3, "SB_DFF": 1, "SB_DFFESR": 1, "SB_DFFE": 1, "SB_RAM40_4K": 2}
    found = count_cells({"design": {"num_cells_by_type": stat}}, "ice40", module)
    assert (found.lut, found.ff, found.bram) == (5, 3, 2)


def test_small_block_rams_have_a_small_line_buffer():
    board = BOARDS["icebreaker"]
    program = compile_network(load_model("digits"), array="direct", pixels=8, channels=2)
    assert buffer_depth(64, board.smallest_buffer) == 512
    # The host may send only as many images ahead as there is room for.
    assert describe(program, 24e6, board.smallest_buffer).window == 1 + 512 // (64 + 16)


def test_digits_fits_the_smallest_board():
    choice = choose(
        load_model("digits"), BOARDS["icebreaker"],
        array=None, pixels=None, channels=None, fill=None,
    )  # fmt: skip
    parameters = choice.program.parameters
    assert (parameters.array, parameters.pixels, parameters.channels) == ("direct", 8, 2)
    assert "although it may not fit" not in choice.reason


def need_tools(board) -> None:
    for tool in tools_of(board, Flow("open")):
        if not find_spec(tool.package.split("==")[0].replace("-", "_")):
            pytest.skip(f"pip install {tool.package} brings {tool.name}")


@pytest.mark.parametrize("name", SMALL)
def test_version_of_every_tool(name):
    board = BOARDS[name]
    need_tools(board)
    for tool in tools_of(board, Flow("open"))[1:]:
        if not tool.version_option:
            assert tool_version(tool, Stage("version"))[0].isdigit()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(tiny(), path)
    return str(path)


def bitstream(name: str, model: str, out: Path) -> bytes:
    status = build.main(["--board", name, "--model", model, *SIZE, "--out", str(out)])
    assert status == 0
    made = json.loads((out / "report.json").read_text())
    assert made["stage"] == "bitstream" and made["timing_met"] is True
    assert made["fmax_mhz"] >= made["clock_mhz"] == BOARDS[name].default_clock_mhz
    path = made["critical_path"]
    assert path["components"]
    assert path["logic_ns"] + path["routing_ns"] == pytest.approx(1e3 / made["fmax_mhz"], rel=0.02)
    return (out / made["products"][-1]).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL[:2])
def test_bitstream(tmp_path, model, name):
    need_tools(BOARDS[name])
    assert len(bitstream(name, model, tmp_path)) > 10_000


@pytest.mark.slow
def test_same_input_same_bitstream(tmp_path, model):
    """Byte for byte, in another folder."""
    need_tools(BOARDS["icebreaker"])
    first, second = (bitstream("icebreaker", model, tmp_path / name) for name in ("one", "two"))
    assert first == second
