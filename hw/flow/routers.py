"""Place and route, and the bitstream, of each family that pip has the tools for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hw.boards import Board
from hw.flow import ecp5, gatemate, gowin, ice40
from hw.flow.progress import Stage
from hw.flow.timing import Timing
from hw.flow.tools import Tool

__all__ = ["ROUTERS", "Router"]


@dataclass(frozen=True)
class Router:
    """A family's programs after Yosys.

    ``place_and_route(board, folder, clock_mhz, stage)``, then ``pack(board, folder, stage)``: see
    `hw.flow.ecp5`. ``proven``: a bitstream was seen to come of it.
    """

    tools: tuple[Tool, ...]
    place_and_route: Callable[[Board, Path, float, Stage], Timing]
    pack: Callable[[Board, Path, Stage], Path]
    proven: bool = True


ROUTERS = {
    "ecp5": Router(ecp5.TOOLS, ecp5.place_and_route, ecp5.pack),
    "ice40": Router(ice40.TOOLS, ice40.place_and_route, ice40.pack),
    "gowin": Router(gowin.TOOLS, gowin.place_and_route, gowin.pack),
    "gatemate": Router(gatemate.TOOLS, gatemate.place_and_route, gatemate.pack, proven=False),
}
