"""The array of the fewest cycles for a network within a budget of LUTs, by estimate.

Cycles are exact. LUTs are `hw.flow.estimate`'s, fitted to whole board designs; a `Correction` makes
them what synthesis said of arrays chosen before.

What decides the estimate and the latencies are the array's parameters, what decides the passes
are lanes and channels. So a network of one small layer tells the first, and the whole network is
compiled once for each number of lanes and channels that may be worth it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from hw.compiler import compile_network
from hw.cycles import predict
from hw.engine_program import Program
from hw.flow.autosize import lane_counts
from hw.flow.estimate import estimate
from hw.params import ArrayParameters
from model.bits import TAPS
from model.format import Network
from sim.speedup.weights import Weights
from sim.synthetic import random_network

__all__ = ["FAMILY", "Candidate", "Correction", "Search"]

FAMILY = "xc7"
MOST_CHANNELS = 64
# Arrays that take less of a budget are slower than those that fill it, but where lanes and channels
# just divide a network's maps.
WORTH_A_LOOK = 0.5


@dataclass(frozen=True)
class Candidate:
    """An array, the whole network's cycles on it, the LUTs it is taken for, and what they were
    before the correction."""

    parameters: ArrayParameters
    cycles: int
    luts: float
    estimated: float

    @property
    def shape(self) -> dict:
        """Keywords of `hw.compiler.compile_network`."""
        p = self.parameters
        return {
            "array": p.array,
            "pixels": p.pixels,
            "channels": p.channels,
            "fill": p.fill or None,
        }


@dataclass(frozen=True)
class Correction:
    """LUTs are taken for ``slope`` times their estimate plus ``offset``."""

    slope: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, found: Sequence[tuple[float, int]]) -> "Correction":
        """From pairs of estimated and synthesised LUTs: the line through the last two, or, where
        there is only one (or they are no rising line), through it and nothing."""
        if not found:
            return cls()
        (x, y), (x2, y2) = found[-1], found[-2 if len(found) > 1 else -1]
        if (x - x2) * (y - y2) > 0:
            slope = (y - y2) / (x - x2)
            return cls(slope, y - slope * x)
        return cls(y / x)

    def __call__(self, estimated: float) -> float:
        return self.slope * estimated + self.offset


class Search:
    """Looks for arrays for ``network`` (its shapes count, not its weights)."""

    def __init__(self, network: Network):
        self._network = network
        self._programs: dict[tuple[int, int], Program] = {}

    def best(
        self, weights: Weights, budget: float, correct: Correction = Correction()
    ) -> Candidate | None:
        """The candidate of the fewest cycles with at most ``budget`` LUTs; of those, the fewest
        LUTs. None where not even the smallest array fits."""
        found = list(self._candidates(weights, budget, correct))
        return min(found, key=lambda c: (c.cycles, c.luts), default=None)

    def _candidates(
        self, weights: Weights, budget: float, correct: Correction
    ) -> Iterator[Candidate]:
        array = "direct" if weights.tau == TAPS else "shared"
        for pixels in lane_counts(self._network):
            for channels in range(1, MOST_CHANNELS + 1):
                fitting = []
                for fill in _fills(array, channels):
                    small = _small(array, pixels, channels, fill, weights)
                    estimated = estimate(small, FAMILY).lut
                    if correct(estimated) <= budget:
                        fitting.append((estimated, small))
                if not fitting:
                    break
                if correct(max(estimated for estimated, _ in fitting)) < WORTH_A_LOOK * budget:
                    continue
                program = self._program(pixels, channels)
                for estimated, small in fitting:
                    rows = predict(replace(program, timing=small.timing))[:-1]
                    cycles = sum(row.cycles for row in rows)
                    yield Candidate(small.parameters, cycles, correct(estimated), estimated)

    def _program(self, pixels: int, channels: int) -> Program:
        """The whole network on an array of this size: for its passes, which no weights change."""
        if (pixels, channels) not in self._programs:
            self._programs[pixels, channels] = compile_network(
                self._network, array="direct", pixels=pixels, channels=channels
            )
        return self._programs[pixels, channels]


def _fills(array: str, channels: int) -> list[int | None]:
    if array == "direct":
        return [None]
    return [fill for fill in range(1, channels + 1) if channels % fill == 0]


@cache
def _small(array: str, pixels: int, channels: int, fill: int | None, weights: Weights) -> Program:
    """A network of one layer of one pixel on this array: its estimate and its latencies."""
    network = random_network(
        0,
        image=(1, 1, 1),
        levels=1,
        channels=(1,),
        pools=("none",),
        tau=weights.tau,
        antipodal=weights.antipodal,
    )
    return compile_network(network, array=array, pixels=pixels, channels=channels, fill=fill)
