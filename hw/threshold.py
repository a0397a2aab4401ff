"""Threshold: one bit a lane from the accumulated sums, batch norm and sign in one comparison.

The flip bit of a channel whose batch norm has a negative slope is not applied here but after
pooling: the maximum of the sums passes the threshold where any of them does, so pooling is an OR
of these bits, whatever the sign.
"""

from amaranth.hdl import Cat, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Threshold"]


class Threshold(wiring.Component):
    """``bits[n] = sums[n] >= limit``; latency 1 cycle.

    Members
    -------
    sums : In, [P] unsigned(sum_bits); limit : In, unsigned(sum_bits).
    bits : Out(P), one cycle later.
    """

    latency = 1

    def __init__(self, pixels: int, sum_bits: int):
        self.pixels = pixels
        super().__init__(
            {
                "sums": In(data.ArrayLayout(sum_bits, pixels)),
                "limit": In(sum_bits),
                "bits": Out(pixels),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.sync += self.bits.eq(Cat(self.sums[n] >= self.limit for n in range(self.pixels)))
        return m
