"""From an ECP5 netlist to a bitstream: place and route with nextpnr-ecp5, then ecppack."""

import json
from dataclasses import dataclass
from pathlib import Path

from hw.boards import Board
from hw.flow.netlist import DESIGN
from hw.flow.progress import Stage
from hw.flow.tools import ECPPACK, NEXTPNR_ECP5, run_tool
from model.errors import CheckError

__all__ = ["SEED", "Timing", "pack", "place_and_route", "read_timing"]

SEED = 1
# nextpnr keeps clock periods in whole picoseconds.
CLOCK_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Timing:
    """What the router found: the clock that it was asked for and the one that it reached, MHz."""

    clock: str
    asked_mhz: float
    fmax_mhz: float

    @property
    def met(self) -> bool:
        return self.fmax_mhz >= self.asked_mhz


def place_and_route(board: Board, folder: Path, clock_mhz: float, stage: Stage) -> Timing:
    """Make ``top.config`` of ``top.json`` and ``top.lpf``.

    Raises CheckError when nextpnr fails or analysed another clock than ``clock_mhz``; a clock
    that is not reached is the caller's to judge.
    """
    arguments = [
        "--quiet",
        *board.router_options,
        "--json",
        f"{DESIGN}.json",
        "--lpf",
        f"{DESIGN}.lpf",
        "--textcfg",
        f"{DESIGN}.config",
        "--report",
        f"{DESIGN}.timing.json",
        "--timing-allow-fail",
        "--seed",
        str(SEED),
    ]
    run_tool(NEXTPNR_ECP5, arguments, folder, folder / f"{DESIGN}.nextpnr.log", stage)
    return read_timing(json.loads((folder / f"{DESIGN}.timing.json").read_text()), clock_mhz)


def read_timing(report: dict, clock_mhz: float, tool: str = "nextpnr") -> Timing:
    """The timing of the clock that was asked for, out of nextpnr's report.

    Raises CheckError when no clock was analysed at ``clock_mhz``: a constraint that a router
    does not find leaves a default target that everything meets.
    """
    analysed = report["fmax"]
    for clock, figures in analysed.items():
        if abs(figures["constraint"] - clock_mhz) <= CLOCK_TOLERANCE * clock_mhz:
            return Timing(clock, clock_mhz, figures["achieved"])
    seen = ", ".join(f"{clock} at {f['constraint']:g} MHz" for clock, f in analysed.items())
    raise CheckError(
        f"the clock of {clock_mhz:g} MHz was not analysed by {tool} (it saw: {seen or 'none'}); "
        "its timing is unknown"
    )


def pack(folder: Path, stage: Stage) -> Path:
    """Make ``top.bit`` of ``top.config``."""
    arguments = ["--compress", "--input", f"{DESIGN}.config", "--bit", f"{DESIGN}.bit"]
    run_tool(ECPPACK, arguments, folder, folder / f"{DESIGN}.ecppack.log", stage)
    return folder / f"{DESIGN}.bit"
