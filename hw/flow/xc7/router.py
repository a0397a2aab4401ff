"""The routers for 7-series: openXC7's nextpnr-xilinx and YosysHQ's nextpnr-himbaechel.

What a program is called decides how it is asked, what it says it is decides what it gets wrong:
openXC7 means to put nextpnr-himbaechel behind the name nextpnr-xilinx (toolchain-nix #19).
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from hw.flow.tools import Tool, find_tool, run_for_text
from hw.flow.xc7.risks import Risk, risks_of_fork, risks_of_mainline
from model.errors import UserError

__all__ = [
    "FASM2FRAMES", "FORK", "FRAMES2BIT", "MAINLINE", "OPENXC7", "VIVADO", "Router", "ask_router",
    "installed",
]  # fmt: skip

OPENXC7 = "github.com/openXC7/toolchain-installer"
FORK = Tool("nextpnr-xilinx", "NEXTPNR_XILINX", "nextpnr-xilinx", OPENXC7, "--version", "--log")
# A variable of its own: the same program for other families is another build.
MAINLINE = Tool(
    "nextpnr-himbaechel", "NEXTPNR_HIMBAECHEL_XILINX", "nextpnr-himbaechel",
    "github.com/YosysHQ/nextpnr", "--version", "--log",
)  # fmt: skip
FASM2FRAMES = Tool("fasm2frames", "FASM2FRAMES", "fasm2frames", OPENXC7, "--help")
FRAMES2BIT = Tool("xc7frames2bit", "XC7FRAMES2BIT", "xc7frames2bit", OPENXC7, "--help")
VIVADO = Tool("vivado", "VIVADO", "vivado", "AMD's web site", "-version")


@dataclass(frozen=True)
class Router:
    """A router that is there: the program, whether it is mainline's inside, its version."""

    tool: Tool
    mainline: bool
    version: str

    @property
    def name(self) -> str:
        """For a sentence."""
        return f"{'nextpnr-himbaechel' if self.mainline else 'nextpnr-xilinx'} {self.version}"

    @property
    def risks(self) -> frozenset[Risk]:
        """What this version gets wrong without a word."""
        return risks_of_mainline() if self.mainline else risks_of_fork(self.version)


def installed(tool: Tool) -> Path | None:
    """Where a tool's program lies; None where it is not installed.

    Raises UserError where the tool's environment variable names what cannot be run.
    """
    try:
        command = find_tool(tool)
    except UserError:
        if tool.named:
            raise
        return None
    return Path(shutil.which(command[0]) or command[0])


def ask_router(tool: Tool) -> Router:
    """What a router says it is; raises UserError where it is no nextpnr."""
    text = run_for_text([*find_tool(tool), tool.version_option])
    found = re.search(r"(nextpnr-\w+).*Place and Route.*\(Version (?:nextpnr-)?([^)\s]+)", text)
    if not found:
        raise UserError(f"{tool.name} says no version; is {find_tool(tool)[0]} really nextpnr?")
    return Router(tool, found[1] == MAINLINE.name, found[2])
