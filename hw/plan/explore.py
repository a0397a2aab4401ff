"""Many designs of one network for one board, and which of them nobody would do without.

Swept are array, lanes, channels, table fillers and bits an index. Other bits than the network's
are planned with made-up codebooks and indices: what a design takes depends on their sizes only.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from hw.boards import Board
from hw.compiler import compile_network
from hw.flow.autosize import CHANNELS, fills, lane_counts
from hw.flow.estimate import least_luts
from hw.plan.point import Plan, plan
from model import bits
from model.errors import UserError
from model.network import Conv, Network

__all__ = ["front", "points", "shapes", "with_tau"]


def with_tau(network: Network, tau: int) -> Network:
    """The network with other codebooks and indices: of ``tau`` bits, antipodal, made up."""

    def other(conv: Conv) -> Conv:
        if tau == bits.TAPS:
            book = np.arange(bits.KERNELS, dtype=np.uint16)
        else:
            numbers = np.arange(bits.KERNELS, dtype=np.uint16)
            even = numbers[bits.popcount(numbers) % 2 == 0][: 1 << (tau - 1)]
            book = bits.antipodal_order(np.concatenate([even, (bits.KERNELS - 1) ^ even]))
        return replace(conv, tau=tau, codebook=book, indices=conv.indices % (1 << tau))

    layers = (other(layer) if isinstance(layer, Conv) else layer for layer in network.layers)
    return replace(network, layers=tuple(layers))


def shapes(network: Network, board: Board, taus: Iterable[int]) -> Iterator[tuple[int, dict]]:
    """(tau, keywords of `compile_network`) of everything that is swept."""
    most = max(conv.c_in for conv in network.convs)
    for tau in taus:
        array = "direct" if tau == bits.TAPS else "shared"
        for pixels in lane_counts(network):
            for channels in CHANNELS:
                needless = channels >= 2 * most
                large = least_luts(board.family, array, pixels, channels) > board.available["lut"]
                if needless or large:
                    continue
                for fill in [None] if array == "direct" else fills(channels):
                    shape = {"array": array, "pixels": pixels, "channels": channels, "fill": fill}
                    yield tau, shape


def points(
    network: Network,
    board: Board,
    clock_mhz: Fraction,
    swept: list[tuple[int, dict]],
    tick: Callable[[], None] = lambda: None,
) -> list[Plan]:
    """A plan for each of the ``swept`` shapes that the engine can be built in."""
    networks = {tau: with_tau(network, tau) for tau in {tau for tau, _ in swept}}
    found = []
    for tau, shape in swept:
        try:
            program = compile_network(networks[tau], **shape)
            found.append(plan(program, board, clock_mhz, "swept"))
        except UserError:
            # A shape that this network does not go with: others do, or there is none to show.
            pass
        tick()
    return found


def front(plans: Iterable[Plan], cost: Callable[[Plan], float]) -> list[Plan]:
    """The Pareto front: each is faster than all that cost no more, cheapest first."""
    best: list[Plan] = []
    for one in sorted(plans, key=lambda p: (cost(p), -p.images_per_second)):
        if not best or one.images_per_second > best[-1].images_per_second:
            best.append(one)
    return best
