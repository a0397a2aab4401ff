"""The programs that put a bitstream into a board, and what their failures mean.

Messages are those of openFPGALoader (src/ftdipp_mpsse.cpp, jtag.cpp; its issues #28, #245, #398),
fujprog (kost/fujprog #2) and iceprog (icestorm #310).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from hw.flow.tools import Tool

__all__ = ["PROGRAMMERS", "Programmer", "explain"]

OPENFPGALOADER = Tool(
    "openFPGALoader", "OPENFPGALOADER", "openFPGALoader",
    "your system's packages (apt install openfpgaloader, brew install openfpgaloader)", "--Version",
)  # fmt: skip
FUJPROG = Tool("fujprog", "FUJPROG", "fujprog", "github.com/kost/fujprog/releases", "--version")
ICEPROG = Tool(
    "iceprog", "ICEPROG", "iceprog", "your system's packages (apt install fpga-icestorm)", "--help"
)


@dataclass(frozen=True)
class Programmer:
    """A program for a board: its options to load a bitstream until power is cut, or to keep it."""

    tool: Tool
    load: tuple[str, ...]
    keep: tuple[str, ...]

    def arguments(self, bitstream: Path, *, flash: bool) -> list[str]:
        return [*(self.keep if flash else self.load), str(bitstream)]


def _loader(board: str) -> Programmer:
    """openFPGALoader, with the name that it has for a board."""
    return Programmer(OPENFPGALOADER, ("-b", board), ("-b", board, "-f"))


_FUJPROG = Programmer(FUJPROG, (), ("-j", "flash"))
# Of each board, in the order in which they are tried: the first that is installed is taken.
PROGRAMMERS = {
    "arty_a7": (_loader("arty_a7_35t"),),
    "arty_a7_100": (_loader("arty_a7_100t"),),
    "ulx3s_25f": (_loader("ulx3s"), _FUJPROG),
    "ulx3s_85f": (_loader("ulx3s"), _FUJPROG),
    # Its iCE40 takes a bitstream directly only with a jumper moved: iceprog's way to the flash is
    # the board's usual one, and openFPGALoader's too.
    "icebreaker": (
        Programmer(OPENFPGALOADER, ("-b", "ice40_generic"), ("-b", "ice40_generic")),
        Programmer(ICEPROG, (), ()),
    ),
    "tang_nano_9k": (_loader("tangnano9k"),),
    "gatemate_evb": (_loader("olimex_gatemateevb"),),
}

_NO_BOARD = "no board was found: is it plugged in with a cable that carries data, and switched on?"
_NO_RIGHTS = (
    "the board was found but cannot be opened: install the program's udev rules (or join the group "
    "plugdev) and plug the board in anew, and end what else uses it"
)
_MEANINGS = (
    (r"-3 \(device not found\)|Cannot find JTAG cable|Can't find iCE FTDI", _NO_BOARD),
    (r"usb_open\(\) failed|FT_Open\(\) failed|[Pp]ermission denied|ERROR_ACCESS", _NO_RIGHTS),
    (r"cannot find board", "it does not know this board: take a newer version of it"),
    (r"[Ii]dcode .*(mismatch|not supported)|wrong IDCODE|Unknown (device|IDCODE)",
     "another part answers: is this the board that the bitstream was built for?"),
)  # fmt: skip


def explain(said: list[str]) -> str:
    """What a failed program's lines mean: one phrase, or else the line that looks most like it."""
    for pattern, meaning in _MEANINGS:
        if any(re.search(pattern, line) for line in said):
            return meaning
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line).strip() for line in said]
    errors = [line for line in plain if re.search(r"error|fail|can't|cannot|abort", line, re.I)]
    return (errors or [line for line in plain if line] or ["it said nothing"])[0]
