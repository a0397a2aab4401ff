"""Adds one bit a channel with a flip on demand: its carries go into the tree's carry chains.

The sum of three bits b ^ s is a parity and a carry. Parities split: parity(b ^ s) = parity(b) ^
parity(s), so those of the bits are computed as channels are loaded, those of the flips once for
all lanes. With P_j and Q_j the parities of the bits and flips of channels 0 to j, y_j = b_j ^ s_j::

    y_0 + y_1 + ... = 2 (c_0 + c_1 + ...) + (P ^ Q of the last channel)
    c_n = carry of (P_2n ^ Q_2n), y_2n+1, y_2n+2    (the last of an even number: without y_2n+2)

Each c_n is one LUT6 of P_2n to P_2n+2. It enters the chain of numbers 2n and 2n + 1, which may
stand complemented (see `hw.array.tree`). A carry is complemented when all of its three bits are,
that is with their flips.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import xor

import numpy as np
from amaranth.hdl import Const, Value

from hw.array.planes import flipped

__all__ = ["carries_flipped", "carry_flips", "low_carries"]


def carries_flipped(flips: np.ndarray) -> np.ndarray:
    """Which carries stand complemented, bool [..., channels // 2].

    flips : bool [..., channels], those of the tree's numbers.
    """
    flips = np.asarray(flips, bool)
    channels = flips.shape[-1]
    turned = flips[..., 0 : channels // 2 * 2 : 2].copy()
    turned[..., :1] = False
    return turned


def carry_flips(low_flips: Sequence[Value], chain_flips: Sequence[Value]) -> list[list[Value]]:
    """The flips of each carry's three bits, to be computed once for all lanes.

    low_flips : s_j. chain_flips : the flips of the numbers in the tree's chains, one a channel.
    """
    parities = list(accumulate(low_flips, xor))
    flips = []
    for n in range(len(low_flips) // 2):
        turn = chain_flips[2 * n] if n else Const(0, 1)
        after = [*low_flips[2 * n + 1 : 2 * n + 3], Const(0, 1)][:2]
        flips.append([flip ^ turn for flip in (parities[2 * n], *after)])
    return flips


def low_carries(prefixes: Sequence[Value], flips: Sequence[Sequence[Value]]) -> list[Value]:
    """The planes c_n as the tree takes them. prefixes : P_j. flips : those of `carry_flips`."""
    carries = []
    for n, turns in enumerate(flips):
        known = prefixes[2 * n : 2 * n + 3]
        bits = [known[0], *(b ^ a for a, b in pairwise(known)), Const(0, len(known[0]))][:3]
        a, b, c = (flipped(bit, turn) for bit, turn in zip(bits, turns, strict=True))
        carries.append((a & b) | (c & (a | b)))
    return carries
