"""The ports that both arrays have, so that an engine takes either."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.array.low_bits import carries_flipped
from hw.array.tree import excess, tree_bits
from hw.params import KERNEL_BITS, ArrayParameters

__all__ = ["HALF_BITS", "ArrayTiming", "array_members", "sum_bits", "sum_offset"]

#: Bits of h = p >> 1, p = 0 to 9 agreements.
HALF_BITS = 3


@dataclass(frozen=True)
class ArrayTiming:
    """An array's latencies in cycles.

    ``latency`` from an index word to its sums, ``prepare_latency`` from the load of a pass's last
    channel to the first cycle for its swap.
    The next pass may be loaded from ``load_lead`` cycles before that swap on.
    """

    latency: int
    prepare_latency: int
    load_lead: int


def sum_offset(parameters: ArrayParameters, negated: np.ndarray) -> np.ndarray:
    """What a lane's sum holds too much, int64 [...]: a constant of the output channel.

    The shared array complements the responses of negated kernels, which is not the same as 9 - p.
    ``negated``, bool [..., C], says which channels' kernels are; null channels' are not.
    """
    negated = np.asarray(negated, bool)
    if parameters.array == "direct":
        return np.zeros(negated.shape[:-1], np.int64)
    negated = negated & parameters.antipodal
    halves = excess(negated, HALF_BITS) - carries_flipped(negated).sum(axis=-1)
    return 2 * halves + (1 - KERNEL_BITS) * negated.sum(axis=-1)


def sum_bits(parameters: ArrayParameters) -> int:
    """Bits of a lane's sum over the channels of a group."""
    if parameters.array == "shared":
        return 1 + tree_bits(parameters.channels, HALF_BITS)
    return (parameters.channels * KERNEL_BITS).bit_length()


def array_members(parameters: ArrayParameters) -> dict[str, wiring.Member]:
    """Members of an array's signature; all timing is static and nothing stalls.

    Members
    -------
    codebook_write : write of one codeword, kept until overwritten (absent at tau 9).
    load : window of one channel (lane i, tap t at bit 9 * i + t; masked taps are 0) into the
        back buffer. A ``null`` channel does not exist and contributes 0. The channels of a pass are
        loaded in ascending order, all of them.
    swap : exchanges front and back; coincides with the first index word of a pass.
    index : one index a channel (channel j at tau * j). ``null``: channel j contributes 0;
        its index is 0.
    sums : for each lane the sum of the channels' responses.
    """
    pixels, channels = parameters.pixels, parameters.channels
    members = {
        "load": In(
            wiring.Signature(
                {
                    "valid": Out(1),
                    "channel": Out(range(channels)),
                    "windows": Out(pixels * KERNEL_BITS),
                    "null": Out(1),
                }
            )
        ),
        "swap": In(1),
        "index": In(channels * parameters.tau),
        "null": In(channels),
        "sums": Out(data.ArrayLayout(unsigned(sum_bits(parameters)), pixels)),
    }
    if parameters.has_codebook:
        members["codebook_write"] = In(
            wiring.Signature(
                {
                    "enable": Out(1),
                    "address": Out(range(parameters.entries)),
                    "data": Out(KERNEL_BITS),
                }
            )
        )
    return members
