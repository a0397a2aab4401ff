"""From a Gowin netlist to a bitstream: place and route with nextpnr, then Apicula's gowin_pack."""

from pathlib import Path

from hw.boards import Board
from hw.flow.netlist import DESIGN
from hw.flow.nextpnr import route
from hw.flow.progress import Stage
from hw.flow.timing import Timing
from hw.flow.tools import GOWIN_PACK, NEXTPNR_GOWIN, run_tool

__all__ = ["TOOLS", "pack", "place_and_route"]

TOOLS = (NEXTPNR_GOWIN, GOWIN_PACK)
DEVICE = "GW1N-9C"


def place_and_route(board: Board, folder: Path, clock_mhz: float, stage: Stage) -> Timing:
    """Make ``top.pnr.json`` of ``top.json`` and ``top.cst``; see `hw.flow.nextpnr.route`."""
    files = ["--vopt", f"cst={DESIGN}.cst", "--write", f"{DESIGN}.pnr.json"]
    target = ["--freq", f"{clock_mhz:.6f}"]
    return route(NEXTPNR_GOWIN, [*board.router_options, *target, *files], folder, clock_mhz, stage)


def pack(board: Board, folder: Path, stage: Stage) -> Path:
    """Make ``top.fs`` of ``top.pnr.json``."""
    # The flash's pins carry nothing here and stay as they are.
    arguments = ["-d", DEVICE, "-o", f"{DESIGN}.fs", f"{DESIGN}.pnr.json"]
    run_tool(GOWIN_PACK, arguments, folder, folder / f"{DESIGN}.gowin_pack.log", stage)
    return folder / f"{DESIGN}.fs"
