"""Accumulator: adds the groups of input channels up, one partial sum an output channel.

::

    cycle      0              1                       2
    terms      at the input   registered              added, registered
    address    (read)         partial sum arrives     written back
    sums                                              valid

The same output channel must not come again within three cycles; the schedule sees to that.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["Accumulator"]


class Accumulator(wiring.Component):
    """See the module; latency 2 cycles.

    Parameters
    ----------
    pixels : lanes. term_bits, correction_bits : widths of what is added.
    sum_bits : width of a sum (unsigned; it never gets negative).
    depth : output channels that partial sums are kept for; 0 where no layer has two groups.

    Members
    -------
    valid, channel, first, last : In, of the terms: first and last group of the channel.
    terms : In, [P] unsigned; corrections : In, [P] signed.
    sums : Out, [P] unsigned(sum_bits), 2 cycles later.
    """

    latency = 2

    def __init__(
        self, pixels: int, *, term_bits: int, correction_bits: int, sum_bits: int, depth: int
    ):
        self.pixels = pixels
        self.sum_bits = sum_bits
        self.depth = depth
        super().__init__(
            {
                "valid": In(1),
                "channel": In(range(max(depth, 2))),
                "first": In(1),
                "last": In(1),
                "terms": In(data.ArrayLayout(term_bits, pixels)),
                "corrections": In(data.ArrayLayout(signed(correction_bits), pixels)),
                "sums": Out(data.ArrayLayout(sum_bits, pixels)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits, lanes = self.sum_bits, range(self.pixels)
        totals = Signal(data.ArrayLayout(bits, self.pixels))
        first = Signal()
        m.d.sync += first.eq(self.first)
        m.d.sync += [totals[n].eq(self.terms[n] + self.corrections[n]) for n in lanes]
        if self.depth == 0:
            m.d.sync += self.sums.eq(totals)
            return m

        memory = Memory(shape=bits * self.pixels, depth=self.depth, init=[])
        m.submodules.memory = memory
        read, write = memory.read_port(), memory.write_port()
        write_now, write_next = Signal(), Signal()
        channel = Signal.like(self.channel)
        m.d.comb += [
            read.addr.eq(self.channel),
            write.data.eq(Cat(self.sums[n] for n in lanes)),
            write.en.eq(write_now),
        ]
        m.d.sync += [
            write_next.eq(self.valid & ~self.last),
            write_now.eq(write_next),
            channel.eq(self.channel),
            write.addr.eq(channel),
        ]
        for n in lanes:
            partial = Mux(first, 0, read.data.word_select(n, bits))
            m.d.sync += self.sums[n].eq(totals[n] + partial)
        return m
