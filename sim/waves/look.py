"""An extra pair of eyes on a simulation: what both engines offer to it."""

import ctypes
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from amaranth.sim import Simulator

__all__ = ["NEVER", "CLook", "Look", "Position"]

# A cycle, image or layer that there is none of, as C++ says it.
NEVER = (1 << 64) - 1


class Position(NamedTuple):
    """Where a simulation is in one cycle.

    ``image`` is the batch's number of the image whose computing began last, -1 before the first;
    ``layer`` the one being executed, while ``running``; ``head`` the image whose result is being
    completed in this cycle, or -1; ``taken`` the results taken before this cycle.
    """

    cycle: int
    image: int
    layer: int
    running: bool
    head: int
    taken: int


class CLook(ctypes.Structure):
    """Mirror of struct Look in sim/compiled/waves.h, field by field."""

    _fields_ = [
        ("file", ctypes.c_int32),
        ("error", ctypes.c_int32),
        *((name, ctypes.c_uint64) for name in ("first", "last", "image", "layer", "head")),
        *((name, ctypes.c_uint64) for name in ("opened", "closed")),
        *((name, ctypes.c_uint64) for name in ("word_image", "word_tensor")),
        *((name, ctypes.c_uint64) for name in ("word_tile", "word_channel", "found")),
    ]


class Look:
    """Sees every cycle of a simulation, and may end it early; this one wants nothing.

    With Amaranth's simulator, ``tracing`` surrounds the simulation and ``see`` is called in every
    cycle. A compiled one keeps to ``c`` and asks ``done`` now and then.
    """

    def __init__(self) -> None:
        self.c = CLook(file=-1, opened=NEVER, closed=NEVER, word_image=NEVER, found=NEVER)

    def tracing(self, simulator: Simulator, engine) -> AbstractContextManager:
        """Surrounds a run of Amaranth's simulator on ``engine``."""
        return nullcontext()

    def see(self, at: Position, seen) -> bool:
        """One cycle, with the `sim.watcher.Seen` of it; whether this was all that is wanted."""
        return False

    def done(self) -> bool:
        """Whether a compiled simulation has shown all that is wanted."""
        return False
