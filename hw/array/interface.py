"""The ports that both arrays have, so that an engine takes either."""

from dataclasses import dataclass

from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.params import KERNEL_BITS, ArrayParameters

__all__ = ["NEGATED_OFFSET", "ArrayTiming", "array_members", "negated_offset", "sum_bits"]

#: What the shared array adds to the response of a negated kernel (see `negated_offset`).
NEGATED_OFFSET = 6


@dataclass(frozen=True)
class ArrayTiming:
    """An array's latencies in cycles.

    ``latency`` from an index word to its sums, ``kernel_latency`` to its kernels;
    ``prepare_latency`` from the load of a pass's last channel to the first cycle for its swap.
    The next pass may be loaded from ``load_lead`` cycles before that swap on.
    """

    latency: int
    kernel_latency: int
    prepare_latency: int
    load_lead: int


def negated_offset(parameters: ArrayParameters) -> int:
    """What ``sums`` holds too much for every negated kernel: a constant of the output channel.

    The shared array complements table entries of three bits, which turns the response 2h + b of a
    kernel into 2(7 - h) + (1 - b) = (9 - p) + 6 for its negation. Null channels add nothing.
    """
    return NEGATED_OFFSET if parameters.array == "shared" and parameters.antipodal else 0


def sum_bits(parameters: ArrayParameters) -> int:
    """Bits of a lane's sum over the channels of a group."""
    return (parameters.channels * (KERNEL_BITS + negated_offset(parameters))).bit_length()


def array_members(parameters: ArrayParameters) -> dict[str, wiring.Member]:
    """Members of an array's signature; all timing is static and nothing stalls.

    Members
    -------
    codebook_write : write of one codeword, kept until overwritten (absent at tau 9).
    load : window of one channel (lane i, tap t at bit 9 * i + t; masked taps are 0) into the
        back buffer. A ``null`` channel does not exist and contributes 0.
    swap : exchanges front and back; coincides with the first index word of a pass.
    index : one index a channel (channel j at tau * j). ``null``: channel j contributes 0.
    sums : for each lane the sum of the channels' responses.
    kernels : the kernels that ``index`` decodes to (channel j, tap t at bit 9 * j + t); those of
        null channels are all ones, so that nothing is corrected for them.
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
        "kernels": Out(channels * KERNEL_BITS),
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
