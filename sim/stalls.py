"""How a testbench hesitates: pauses drawn from a seed, the same numbers in both engines.

The generator is xorshift64*; `sim/compiled/harness.cpp` draws the same numbers in the same order,
so that a run with stalls is the same, cycle by cycle, whichever engine simulates it.
"""

import random
from dataclasses import dataclass

__all__ = ["Pauses", "Stalls"]

WORD = (1 << 64) - 1
# A probability of 1, as the generator's 32 bits are compared with it.
ALWAYS = 1 << 32


@dataclass(frozen=True)
class Stalls:
    """How the testbench hesitates at the engine's streams, from a seed.

    Before each byte the input pauses with probability ``pause``; after each cycle in which the
    output accepts, it refuses with the same probability. A pause lasts 1 to ``longest`` cycles.
    ``block`` is how many cycles the output stays blocked after the first result is offered.
    ``index_pause`` is the probability of a pause before each word of an index port. It is apart,
    since cycles are predicted for a port that never hesitates, and whatever the others do.
    """

    seed: int = 0
    pause: float = 0.0
    longest: int = 8
    block: int = 0
    index_pause: float = 0.0

    @property
    def input(self) -> "Pauses":
        """The pauses before each byte, from the first one on."""
        return Pauses(self, "input")

    @property
    def output(self) -> "Pauses":
        """The pauses after each cycle in which the output is ready."""
        return Pauses(self, "output")

    @property
    def index(self) -> "Pauses":
        """The pauses before each word of the index port."""
        return Pauses(self, "index")

    @property
    def threshold(self) -> int:
        """The 32-bit number below which a draw means a pause; 0 for never."""
        return _threshold(self.pause)

    @property
    def index_threshold(self) -> int:
        """The same for the index port."""
        return _threshold(self.index_pause)


def _threshold(probability: float) -> int:
    return min(int(probability * ALWAYS), ALWAYS - 1)


class Pauses:
    """A sequence of pauses; ``state`` is the generator's, 64 bits and never 0."""

    def __init__(self, stalls: Stalls, stream: str):
        self.stalls = stalls
        self._threshold = stalls.index_threshold if stream == "index" else stalls.threshold
        # The streams must not stall in step.
        self.state = random.Random(f"{stream} {stalls.seed}").getrandbits(64) or 1

    def next(self) -> int:
        """Cycles of the next pause, mostly 0."""
        stalls = self.stalls
        if not self._threshold or self._draw() >= self._threshold:
            return 0
        return 1 + self._draw() % stalls.longest

    def _draw(self) -> int:
        """The next 32 bits."""
        state = self.state
        state ^= state >> 12
        state = (state ^ state << 25) & WORD
        state ^= state >> 27
        self.state = state
        return (state * 0x2545F4914F6CDD1D & WORD) >> 32
