"""The shared array: responses of all codewords are computed once, then only looked up."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from hw.array.adder import AdderShape, PlaneAdder
from hw.array.codebook import IndexDecoder
from hw.array.fill import HALF_BITS, FillUnit
from hw.array.interface import ArrayTiming, array_members, sum_bits
from hw.array.planes import LaneNumbers, TapPlanes
from hw.params import ArrayParameters

__all__ = ["SharedArray"]


def _sum_shape(p: ArrayParameters) -> AdderShape:
    c = p.channels
    if p.antipodal:
        return AdderShape((c, c, c, c), (0, 0, 0, 0), sum_bits(p))
    return AdderShape((c, 0, 0, 0), (0, c, c, c), sum_bits(p))


class SharedArray(wiring.Component):
    """P x F dot9 units that fill P x C tables, and C look-ups a lane and cycle.

    cycle   | t    | t+1 .. t+2+entries = s | s + 1   | ... | s + latency
    load    | last |                        |         |     |
    tables  |      | filled                 |         |     |
    swap    |      |                   1    |         |     |
    index   |      |                   word |         |     |
    kernels |      |                        | decoded |     |
    sums    |      |                        |         |     | of this word

    Channel c is served by fill unit c mod F. The units wait for one another: when a step's last
    channel has been loaded, all of them walk the codebook together, so that steps follow each
    other every ``entries`` cycles (or F, if that is more) without a gap. ``swap`` comes entries +
    2 or more cycles after the load of the last channel. The next pass may be loaded from F + 1
    cycles before ``swap`` on, which is when its first entry meets tables no longer in use.
    Codewords serve fills and indices from the cycle after their write on.

    The tables hold h = p >> 1 of the agreements p of window and codeword, three bits. The low bit
    b of p is the same for all codewords of even parity and needs no table: it is kept once a lane
    and channel. A lane's sum adds 2h + b over the channels. For an antipodal codebook, s being
    the top index bit, it adds 2 (h xor sss) + (b xor s), which is p + 6 for a negated kernel; for
    others b is complemented where the kernel is odd. Null channels (null when loaded and null in
    every index word) add nothing.

    Parameters
    ----------
    parameters : ArrayParameters, array "shared".
    """

    def __init__(self, parameters: ArrayParameters):
        if parameters.array != "shared":
            raise ValueError(f"parameters are those of a {parameters.array} array, not shared")
        self.parameters = parameters
        super().__init__(array_members(parameters))

    @staticmethod
    def timing(parameters: ArrayParameters) -> ArrayTiming:
        """The latencies of an array with these parameters."""
        kernel_latency = IndexDecoder.latency
        return ArrayTiming(
            latency=kernel_latency + _sum_shape(parameters).latency,
            kernel_latency=kernel_latency,
            prepare_latency=parameters.entries + FillUnit.latency - 1,
            # A step's first table entry is written this long after its first load.
            load_lead=parameters.fill + 1,
        )

    def elaborate(self, platform):
        m = Module()
        p = self.parameters
        m.submodules.decoder = decoder = IndexDecoder(p, parity=not p.antipodal)
        m.d.comb += [
            decoder.index.eq(self.index),
            decoder.null.eq(self.null),
            decoder.enable.eq(self.codebook_write.enable),
            decoder.write_address.eq(self.codebook_write.address),
            decoder.write_data.eq(self.codebook_write.data),
            self.kernels.eq(decoder.kernels),
        ]

        bank = Signal()  # of the front tables
        m.d.sync += bank.eq(bank ^ self.swap)
        m.submodules.taps = taps = TapPlanes(p.pixels)
        low = Signal(p.pixels)  # of p, for a codeword of even parity
        m.d.comb += [
            taps.windows.eq(self.load.windows),
            low.eq(Mux(self.load.null, 0, ~taps.odd)),
        ]

        turns = [
            reduce(or_, (self.load.channel == j for j in range(f, p.channels, p.fill)))
            for f in range(p.fill)
        ]
        start = Signal()
        m.d.sync += start.eq(self.load.valid & turns[-1])
        units = [FillUnit(p) for _ in range(p.fill)]
        for f, unit in enumerate(units):
            m.submodules[f"fill{f}"] = unit
            m.d.comb += [
                unit.enable.eq(self.codebook_write.enable),
                unit.write_address.eq(self.codebook_write.address),
                unit.write_data.eq(self.codebook_write.data),
                unit.load.eq(self.load.valid & turns[f]),
                unit.start.eq(start),
                unit.channel.eq(self.load.channel),
                unit.window.eq(taps.planes),
                unit.low.eq(low),
                unit.null.eq(self.load.null),
            ]

        fronts, halves = [], []
        for j in range(p.channels):
            unit = units[j % p.fill]
            m.submodules[f"table{j}"] = table = Memory(
                shape=HALF_BITS * p.pixels, depth=2 * p.entries, init=[]
            )
            write, read = table.write_port(), table.read_port(domain="comb")
            index = Signal(range(p.entries), name=f"index{j}")
            back, front = Signal(p.pixels, name=f"back{j}"), Signal(p.pixels, name=f"front{j}")
            m.d.sync += [
                index.eq(self.index.word_select(j, p.tau)),
                write.en.eq(unit.write & (unit.write_channel == j)),
            ]
            m.d.comb += [
                write.addr.eq(Cat(unit.address, ~bank)),
                write.data.eq(unit.halves),
                read.addr.eq(Cat(index, bank)),
            ]
            with m.If(unit.write & (unit.write_channel == j)):
                m.d.sync += back.eq(unit.walked_low)
            with m.If(self.swap):
                m.d.sync += front.eq(back)
            fronts.append(front)
            halves.append(read.data)
        m.submodules.adder = adder = PlaneAdder(p.pixels, _sum_shape(p))
        m.d.comb += [
            adder.flipped_0.eq(Cat(fronts)),
            adder.flips_0.eq(decoder.negated if p.antipodal else decoder.odd),
        ]
        m.submodules.lanes = lanes = LaneNumbers(p.pixels, unsigned(sum_bits(p)))
        m.d.comb += [plane.eq(total) for plane, total in zip(lanes.planes, adder.sums, strict=True)]
        m.d.comb += self.sums.eq(lanes.numbers)
        for place in range(HALF_BITS):
            planes = Cat(half.word_select(place, p.pixels) for half in halves)
            if p.antipodal:
                m.d.comb += getattr(adder, f"flipped_{place + 1}").eq(planes)
                m.d.comb += getattr(adder, f"flips_{place + 1}").eq(decoder.negated)
            else:
                m.d.comb += getattr(adder, f"plain_{place + 1}").eq(planes)
        return m
