"""From an ECP5 netlist to a bitstream: place and route with nextpnr-ecp5, then ecppack."""

from pathlib import Path

from hw.boards import Board
from hw.flow.netlist import DESIGN
from hw.flow.nextpnr import route
from hw.flow.progress import Stage
from hw.flow.timing import Timing
from hw.flow.tools import ECPPACK, NEXTPNR_ECP5, run_tool

__all__ = ["TOOLS", "pack", "place_and_route"]

TOOLS = (NEXTPNR_ECP5, ECPPACK)


def place_and_route(board: Board, folder: Path, clock_mhz: float, stage: Stage) -> Timing:
    """Make ``top.config`` of ``top.json`` and ``top.lpf``; see `hw.flow.nextpnr.route`."""
    files = ["--lpf", f"{DESIGN}.lpf", "--textcfg", f"{DESIGN}.config"]
    return route(NEXTPNR_ECP5, [*board.router_options, *files], folder, clock_mhz, stage)


def pack(board: Board, folder: Path, stage: Stage) -> Path:
    """Make ``top.bit`` of ``top.config``."""
    arguments = ["--compress", "--input", f"{DESIGN}.config", "--bit", f"{DESIGN}.bit"]
    run_tool(ECPPACK, arguments, folder, folder / f"{DESIGN}.ecppack.log", stage)
    return folder / f"{DESIGN}.bit"
