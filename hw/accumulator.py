"""Accumulator: adds the groups of input channels up, one partial sum an output channel.

::

    cycle          0         1           2              3
    next_channel   (read)
    tag                      at input
    terms                                at input       added, registered
    partial sum              arrives     registered     written back
    sums                                                valid

Block RAM is slow, so the partial sum that it gives is registered before it is added to.
A channel's first group starts from ``starts`` instead of a partial sum: from minus the lane's
threshold (`hw.starts`), so that the sign of the last group's sum says whether it is reached.
The same output channel must not come again within four cycles; the schedule sees to that.

Numbers of several bits come plane by plane, the highest first (`hw.starts`). With the first group
of each further plane the partial sum is doubled: it moves up by one bit, and the lowest bit of
``starts`` follows it. So doubling is no addition of its own.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["Accumulator"]


class Accumulator(wiring.Component):
    """See the module; latency 2 cycles from the tag, 1 from the terms.

    Parameters
    ----------
    pixels : lanes. term_bits, sum_bits : widths of what is added and of a sum.
    depth : output channels that partial sums are kept for; 0 where no layer has two groups.
    planes : a layer has numbers of several bits.

    Members
    -------
    next_channel : In, output channel of the tag that comes one cycle later.
    valid, channel, first, last : In, tag of the terms that come one cycle later: their output
        channel, and whether this is its first and its last group. double : In, with them, only
        with ``planes``: this is the first group of a further plane.
    terms : In, [P] unsigned; starts : In, [P] modulo 2^sum_bits, with the terms.
    sums : Out, [P] signed(sum_bits), one cycle after the terms; modulo 2^sum_bits before the
        last group.
    bits : Out(P), with the sums: which of them are not negative.
    """

    latency = 2

    def __init__(
        self, pixels: int, *, term_bits: int, sum_bits: int, depth: int, planes: bool = False
    ):
        self.pixels = pixels
        self.sum_bits = sum_bits
        self.depth = depth
        self.planes = planes
        super().__init__(
            {
                "next_channel": In(range(max(depth, 2))),
                "valid": In(1),
                "channel": In(range(max(depth, 2))),
                "first": In(1),
                "last": In(1),
                **({"double": In(1)} if planes else {}),
                "terms": In(data.ArrayLayout(term_bits, pixels)),
                "starts": In(data.ArrayLayout(sum_bits, pixels)),
                "sums": Out(data.ArrayLayout(signed(sum_bits), pixels)),
                "bits": Out(pixels),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits, lanes = self.sum_bits, range(self.pixels)
        m.d.comb += self.bits.eq(Cat(~self.sums[n][-1] for n in lanes))
        if self.depth == 0:
            m.d.sync += [self.sums[n].eq(self.terms[n] + self.starts[n]) for n in lanes]
            return m

        # Shallow, but wide: as LUTRAM, it would take more LUTs than the additions.
        memory = Memory(
            shape=bits * self.pixels, depth=self.depth, init=[], attrs={"ram_style": "block"}
        )
        m.submodules.memory = memory
        read, write = memory.read_port(), memory.write_port()
        first, write_next = Signal(), Signal()
        partials = Signal.like(read.data)
        channel = Signal.like(self.channel)
        m.d.comb += [
            read.addr.eq(self.next_channel),
            write.data.eq(Cat(self.sums[n] for n in lanes)),
        ]
        m.d.sync += [
            partials.eq(read.data),
            first.eq(self.first),
            write_next.eq(self.valid & ~self.last),
            write.en.eq(write_next),
            channel.eq(self.channel),
            write.addr.eq(channel),
        ]
        # In one LUT a bit: the terms must be the carry chain's plain operand, written first.
        if self.planes:
            double = Signal()
            m.d.sync += double.eq(self.double)
        for n in lanes:
            before = partial = partials.word_select(n, bits)
            if self.planes:
                before = Mux(double, Cat(self.starts[n][0], partial[:-1]), partial)
            before = Mux(first, self.starts[n], before)
            m.d.sync += self.sums[n].eq(self.terms[n] + before)
        return m
