"""The shared array: responses of all codewords are computed once, then only looked up."""

from functools import reduce
from operator import or_, xor

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from hw.array.codebook import IndexDecoder
from hw.array.compress import Plane, add_planes, stages
from hw.array.fill import HALF_BITS, FillUnit
from hw.array.interface import array_members, sum_bits
from hw.array.planes import lane_numbers, tap_planes
from hw.params import ArrayParameters

__all__ = ["SharedArray"]


class SharedArray(wiring.Component):
    """P x F dot9 units that fill P x C tables, and C look-ups a lane and cycle.

    cycle   | t    | t+1 .. t+1+entries = s | s + 1   | ... | s + latency
    load    | last |                        |         |     |
    tables  |      | filled                 |         |     |
    swap    |      |                   1    |         |     |
    index   |      |                   word |         |     |
    kernels |      |                        | decoded |     |
    sums    |      |                        |         |     | of this word

    Channel c is served by fill unit c mod F, which walks the codebook as soon as its own window
    is there: any two loads of channels with the same c mod F are ``entries`` or more cycles
    apart. ``swap`` comes ``prepare_latency`` or more cycles after the load of the last channel,
    and from the cycle of ``swap`` on the next windows may be loaded. Codewords serve fills and
    indices from the cycle after their write on.

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

    kernel_latency = IndexDecoder.latency

    def __init__(self, parameters: ArrayParameters):
        if parameters.array != "shared":
            raise ValueError(f"parameters are those of a {parameters.array} array, not shared")
        self.parameters = parameters
        super().__init__(array_members(parameters))

    @property
    def prepare_latency(self) -> int:
        """Cycles from the load of a pass's last channel to the first cycle for ``swap``."""
        return self.parameters.entries + FillUnit.latency - 2

    @property
    def latency(self) -> int:
        """Cycles from an index word to its sums."""
        p = self.parameters
        columns = [[2] * p.channels] + HALF_BITS * [[1 + p.antipodal] * p.channels]
        return self.kernel_latency + stages(columns, sum_bits(p))

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
        taps = tap_planes(self.load.windows)
        low = Signal(p.pixels)  # of p, for a codeword of even parity
        m.d.comb += low.eq(Mux(self.load.null, 0, ~reduce(xor, taps)))

        units = [FillUnit(p) for _ in range(p.fill)]
        for f, unit in enumerate(units):
            m.submodules[f"fill{f}"] = unit
            turn = reduce(or_, (self.load.channel == j for j in range(f, p.channels, p.fill)))
            m.d.comb += [
                unit.enable.eq(self.codebook_write.enable),
                unit.write_address.eq(self.codebook_write.address),
                unit.write_data.eq(self.codebook_write.data),
                unit.valid.eq(self.load.valid & turn),
                unit.channel.eq(self.load.channel),
                unit.window.eq(Cat(taps)),
                unit.low.eq(low),
                unit.null.eq(self.load.null),
            ]

        columns = [[] for _ in range(1 + HALF_BITS)]
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
            with m.If(self.load.valid & (self.load.channel == j)):
                m.d.sync += back.eq(low)
            with m.If(self.swap):
                m.d.sync += front.eq(back)
            sign = decoder.negated[j] if p.antipodal else None
            columns[0].append(Plane(front, decoder.negated[j] if p.antipodal else decoder.odd[j]))
            for place in range(HALF_BITS):
                columns[1 + place].append(Plane(read.data.word_select(place, p.pixels), sign))
        sums = add_planes(m, columns, sum_bits(p))
        m.d.comb += self.sums.as_value().eq(lane_numbers(sums))
        return m
