"""Which way a build takes from the netlist on: open tools, Vivado, or nowhere."""

from dataclasses import dataclass, replace

from hw.boards import Board
from hw.flow.xc7.open_tools import OpenTools, find_open_tools
from hw.flow.xc7.risks import Risk
from hw.flow.xc7.router import OPENXC7, VIVADO, installed
from model.errors import UserError

__all__ = ["FLOWS", "NETLIST", "Flow", "choose_flow"]

INSTALL = f"{OPENXC7} has all of it, docs/flows.md says more"
FLOWS = ("auto", "open", "vivado", "netlist")


@dataclass(frozen=True)
class Flow:
    """A way: its name ("open", "vivado", "netlist"), and one sentence that says why it is that.

    ``tools`` are those of the open flow of a 7-series part, None elsewhere.
    """

    name: str
    reason: str = ""
    tools: OpenTools | None = None

    @property
    def avoid(self) -> frozenset[Risk]:
        """What synthesis must not make, because the router gets it wrong."""
        return self.tools.router.risks if self.tools else frozenset()

    def usable(self, board: Board) -> Board:
        """The board as the flow can use it: without DSP blocks where the router gets them wrong."""
        if Risk.DSP not in self.avoid:
            return board
        return replace(board, available=board.available | {"dsp": 0})


NETLIST = Flow("netlist", "The flow ends at the netlist, as asked for.")


def choose_flow(board: Board, wanted: str) -> Flow:
    """The flow of a board: the one that is wanted, or ("auto") the furthest that is installed.

    Raises UserError where what is wanted is not installed: with what is missing.
    """
    if wanted not in FLOWS:
        raise UserError(f"--flow must be one of {', '.join(FLOWS)}, not {wanted!r}")
    if wanted == "netlist":
        return NETLIST
    if board.family != "xc7":
        if wanted == "vivado":
            raise UserError(f"--flow vivado: Vivado has no {board.part}; leave --flow out")
        return Flow("open")
    tools, missing = find_open_tools(board.part) if wanted != "vivado" else (None, [])
    if tools:
        return Flow("open", f"Open flow with {tools.router.name}, chips in {tools.chips}.", tools)
    if wanted == "open":
        raise UserError(f"--flow open: not there: {', '.join(missing)}; {INSTALL}")
    if installed(VIVADO):
        return Flow("vivado", f"Vivado flow, as {missing[0]} is not there." if missing else "")
    if wanted == "vivado":
        raise UserError(
            f"--flow vivado: vivado is not on the path, nor named by {VIVADO.variable}: source its "
            f"settings64.sh, or {VIVADO.remedy}"
        )
    return Flow(
        "netlist",
        "The flow ends at the netlist. For a bitstream install Vivado or an open flow; of that is "
        f"not there: {', '.join(missing)}; {INSTALL}.",
    )
