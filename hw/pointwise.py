"""A 1x1 convolution as a 3x3 convolution in disguise: which kernels and indices it has.

A window has nine taps, and no one but the line buffer knows where they come from. So for a 1x1
convolution a window holds the same pixel of t channels, a **bundle**, at taps 0 to t - 1; its other
taps read 0, as taps outside a map do. A kernel's first t taps are then the weights of t channels::

    tap      0    1    2    3    4    5 .. 8
    window   c    c+1  c+2  c+3  c+4  0 .. 0          t = 5
    kernel   weights of these         whatever the codebook has there

What the other taps add to a sum is a constant of the output channel, as at a map's border, and
`hw.starts` knows it. An array's group of C channels so covers C * t of them.

With indices of tau bits, t is tau at most: the codebook is **universal**, it has every pattern of
tau signs. An antipodal one holds, of a pattern and its negation, the one whose last sign is -1, and
makes its number of +1 taps even with tap 8; its negation is complementary at all nine taps, so the
array finds there what it finds in any antipodal codebook. With plain kernels (tau 9), t may be 9.
Layers take the fewest taps that make no more groups, as each is a read (`hw.work`).

Weights of several bits are bit planes of such kernels, the highest first, one behind the other; the
accumulator doubles its sums between them (`hw.accumulator`).
"""

import numpy as np

from model import bits

__all__ = ["bundles", "universal_codebook", "universal_indices"]

LAST_TAP = bits.TAPS - 1


def universal_codebook(tau: int, antipodal: bool) -> np.ndarray:
    """Kernel numbers, int64 [2^tau], with every pattern of the first tau taps.

    General: entry e has pattern e. Antipodal: as `model.bits.antipodal_order` asks for it, entry
    ``e + half`` is the negation of entry e and the first half is even.
    """
    if not antipodal:
        return np.arange(1 << tau, dtype=np.int64)
    held = np.arange(1 << (tau - 1), dtype=np.int64)
    held |= bits.popcount(held) % 2 << LAST_TAP
    return np.concatenate([held, (bits.KERNELS - 1) ^ held])


def universal_indices(patterns: np.ndarray, tau: int, antipodal: bool) -> np.ndarray:
    """The entries, int64 [...], that have these patterns, integers below 2^tau."""
    patterns = np.asarray(patterns, np.int64)
    if not antipodal:
        return patterns
    half = 1 << (tau - 1)
    negated = patterns >= half
    return np.where(negated, ((1 << tau) - 1 - patterns) | half, patterns)


def bundles(codes: np.ndarray, weight_bits: int, taps: int) -> np.ndarray:
    """Patterns of sign bits, int64 [weight_bits, c_out, bundles], of weights' codes [c_out, c_in].

    Plane by plane, the highest first; channel ``b * taps + k`` is bit k of bundle b. A last bundle
    of fewer channels has -1 in their place.
    """
    c_out, c_in = codes.shape
    padded = np.pad(codes.astype(np.int64), ((0, 0), (0, -c_in % taps)))
    planes = padded >> np.arange(weight_bits)[::-1, None, None] & 1
    places = 1 << np.arange(taps, dtype=np.int64)
    return planes.reshape(weight_bits, c_out, -1, taps) @ places
