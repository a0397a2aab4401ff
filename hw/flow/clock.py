"""The clock that a design will reach, before it is placed and routed: from designs that were.

``hw/flow/clocks.json`` holds routers' figures of whole boards' designs, with the command and the
commit of each. They are few, and one placement's clock differs from another's by some percent, so
the estimate is a careful one: the lowest clock of the measured designs that are no larger than this
one, and beyond the largest of them a period that grows with the side of the design's area, the
square root of its LUTs. How close it comes to designs beyond the measured ones is not known.

Families whose router no Python package carries have no figures: there the clock is what was asked
for and nothing else.
"""

import json
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path

from hw.boards import BOARDS, Board

__all__ = ["CLOCKS", "ClockEstimate", "estimate_clock"]

CLOCKS = Path(__file__).with_name("clocks.json")


@dataclass(frozen=True)
class ClockEstimate:
    """The clock that is likely to be reached, MHz; None where nothing was measured. ``basis`` says
    in words what it comes from."""

    mhz: float | None
    basis: str


@cache
def _measured(family: str) -> list[tuple[int, float]]:
    """(LUTs, MHz reached) of the designs measured on parts of a family, by size."""
    rows = json.loads(CLOCKS.read_text("utf-8"))["rows"]
    return sorted(
        (row["lut"], row["fmax_mhz"]) for row in rows if BOARDS[row["board"]].family == family
    )


def estimate_clock(board: Board, luts: int) -> ClockEstimate:
    """The clock of a design of so many LUTs on a board's part."""
    known = _measured(board.family)
    if not known:
        return ClockEstimate(None, "not estimated: no design of this family was routed")
    smallest, (largest, _) = known[0], known[-1]
    no_larger = [clock for size, clock in known if size <= luts] or [smallest[1]]
    slowest = min(no_larger)
    beyond = max(luts / largest, 1.0)
    count = f"{len(no_larger)} routed design{'s' * (len(no_larger) > 1)}"
    if beyond == 1.0:
        return ClockEstimate(round(slowest, 1), f"the slowest of {count} no larger")
    return ClockEstimate(
        round(slowest / sqrt(beyond), 1),
        f"the slowest of {count}, its period times the square root of {beyond:.2f}, since this "
        "design is so many times the largest of them",
    )
