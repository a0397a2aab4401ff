"""From a GateMate netlist to a bitstream: place and route with nextpnr, then gmpack."""

from pathlib import Path

from hw.boards import Board
from hw.flow.netlist import DESIGN
from hw.flow.nextpnr import route
from hw.flow.progress import Stage
from hw.flow.timing import Timing
from hw.flow.tools import GMPACK, NEXTPNR_GATEMATE, run_tool

__all__ = ["TOOLS", "pack", "place_and_route"]

TOOLS = (NEXTPNR_GATEMATE, GMPACK)


def place_and_route(board: Board, folder: Path, clock_mhz: float, stage: Stage) -> Timing:
    """Make ``top.config`` of ``top.json`` and ``top.ccf``; see `hw.flow.nextpnr.route`."""
    files = ["--vopt", f"ccf={DESIGN}.ccf", "--vopt", f"out={DESIGN}.config"]
    target = ["--freq", f"{clock_mhz:.6f}"]
    options = [*board.router_options, *target, *files]
    return route(NEXTPNR_GATEMATE, options, folder, clock_mhz, stage)


def pack(board: Board, folder: Path, stage: Stage) -> Path:
    """Make ``top.bit`` of ``top.config``."""
    arguments = ["--input", f"{DESIGN}.config", "--bit", f"{DESIGN}.bit"]
    run_tool(GMPACK, arguments, folder, folder / f"{DESIGN}.gmpack.log", stage)
    return folder / f"{DESIGN}.bit"
