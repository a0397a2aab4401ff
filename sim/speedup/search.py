"""The array of the fewest cycles for a network within a budget of LUTs, by estimate.

Cycles are exact. LUTs are `hw.flow.estimate`'s, fitted to whole board designs; ``factor`` corrects
them by what synthesis said of an array chosen before.

What decides the estimate and the latencies are the array's parameters, what decides the passes
are lanes and channels. So a network of one small layer tells the first, and the whole network is
compiled once for each number of lanes and channels that may be worth it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from hw.compiler import compile_network
from hw.cycles import predict
from hw.flow.autosize import lane_counts
from hw.flow.estimate import estimate
from hw.params import ArrayParameters
from hw.program import Program
from model.bits import TAPS
from model.format import Network
from sim.speedup.measure import Weights
from sim.synthetic import random_network

__all__ = ["FAMILY", "Candidate", "Search"]

FAMILY = "xc7"
MOST_CHANNELS = 64
# Arrays that take less of a budget are slower than those that fill it, whatever their shape.
WORTH_A_LOOK = 0.6


@dataclass(frozen=True)
class Candidate:
    """An array, the whole network's cycles on it, and the LUTs it is estimated at."""

    parameters: ArrayParameters
    cycles: int
    luts: float

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


class Search:
    """Looks for arrays for ``network`` (its shapes count, not its weights)."""

    def __init__(self, network: Network):
        self._network = network
        self._programs: dict[tuple[int, int], Program] = {}

    def best(self, weights: Weights, budget: float, factor: float = 1.0) -> Candidate | None:
        """The candidate of the fewest cycles with at most ``budget`` LUTs; of those, the fewest
        LUTs. None where not even the smallest array fits."""
        found = list(self._candidates(weights, budget, factor))
        return min(found, key=lambda c: (c.cycles, c.luts), default=None)

    def _candidates(self, weights: Weights, budget: float, factor: float) -> Iterator[Candidate]:
        array = "direct" if weights.tau == TAPS else "shared"
        for pixels in lane_counts(self._network):
            for channels in range(1, MOST_CHANNELS + 1):
                fitting = []
                for fill in _fills(array, channels):
                    small = _small(array, pixels, channels, fill, weights)
                    luts = factor * estimate(small, FAMILY).lut
                    if luts <= budget:
                        fitting.append((luts, small))
                if not fitting or max(luts for luts, _ in fitting) < WORTH_A_LOOK * budget:
                    if not fitting:
                        break
                    continue
                program = self._program(pixels, channels)
                for luts, small in fitting:
                    rows = predict(replace(program, timing=small.timing))[:-1]
                    yield Candidate(small.parameters, sum(row.cycles for row in rows), luts)

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
def _small(
    array: str, pixels: int, channels: int, fill: int | None, weights: Weights
) -> Program:
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
