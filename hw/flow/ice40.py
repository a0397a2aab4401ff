"""From an iCE40 netlist to a bitstream: place and route with nextpnr-ice40, then icepack."""

from pathlib import Path

from hw.boards import Board
from hw.flow.netlist import DESIGN
from hw.flow.nextpnr import route
from hw.flow.progress import Stage
from hw.flow.timing import Timing
from hw.flow.tools import ICEPACK, NEXTPNR_ICE40, run_tool

__all__ = ["TOOLS", "pack", "place_and_route"]

TOOLS = (NEXTPNR_ICE40, ICEPACK)


def place_and_route(board: Board, folder: Path, clock_mhz: float, stage: Stage) -> Timing:
    """Make ``top.asc`` of ``top.json`` and ``top.pcf``; see `hw.flow.nextpnr.route`."""
    files = ["--pcf", f"{DESIGN}.pcf", "--asc", f"{DESIGN}.asc"]
    return route(NEXTPNR_ICE40, [*board.router_options, *files], folder, clock_mhz, stage)


def pack(board: Board, folder: Path, stage: Stage) -> Path:
    """Make ``top.bin`` of ``top.asc``."""
    arguments = [f"{DESIGN}.asc", f"{DESIGN}.bin"]
    run_tool(ICEPACK, arguments, folder, folder / f"{DESIGN}.icepack.log", stage)
    return folder / f"{DESIGN}.bin"
