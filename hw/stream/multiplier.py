"""A signed multiplier with a register behind it: what a DSP block does by itself.

It is a component of its own so that synthesis finds it by its name (`hw.flow.mapping`) and takes a
DSP block for it. The head's small products stay what they are, a few LUTs each.
"""

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Multiplier"]


class Multiplier(wiring.Component):
    """See the module; latency 1 cycle.

    Members
    -------
    a, b : In, signed, of so many bits. product : Out, signed, one cycle later.
    """

    def __init__(self, a_bits: int, b_bits: int):
        super().__init__(
            {
                "a": In(signed(a_bits)),
                "b": In(signed(b_bits)),
                "product": Out(signed(a_bits + b_bits)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.sync += self.product.eq(self.a * self.b)
        return m
