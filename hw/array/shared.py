"""The shared array: responses of all codewords are computed once, then only looked up."""

from functools import reduce
from itertools import chain
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from hw.array.fill import FillUnit
from hw.array.interface import HALF_BITS, ArrayTiming, array_members, sum_bits
from hw.array.low_bits import carry_flips, low_carries
from hw.array.planes import LaneNumbers, TapPlanes, flipped
from hw.array.tree import FlippedTree, levels
from hw.params import ArrayParameters
from hw.pipeline import delay

__all__ = ["SharedArray"]

INDEX_LATENCY = 1  # an index is registered, then looked up


class SharedArray(wiring.Component):
    """P x F dot9 units that fill P x C tables, and C look-ups a lane and cycle.

    cycle   | t    | t+1 .. t+2+entries = s | s + 1     | ... | s + latency
    load    | last |                        |           |     |
    tables  |      | filled                 |           |     |
    swap    |      |                   1    |           |     |
    index   |      |                   word |           |     |
    tables  |      |                        | looked up |     |
    sums    |      |                        |           |     | of this word

    Channel c is served by fill unit c mod F. The units wait for one another: when a step's last
    channel has been loaded, all of them walk the codebook together, so that steps follow each
    other every ``entries`` cycles (or F, if that is more) without a gap. ``swap`` comes entries +
    2 or more cycles after the load of the last channel. The next pass may be loaded from F + 1
    cycles before ``swap`` on, which is when its first entry meets tables no longer in use.
    Codewords serve fills and indices from the cycle after their write on.

    The tables hold h = p >> 1 of the agreements p of window and codeword, three bits. The low bit
    b of p is the same for all codewords of even parity and needs no table: it is kept once a lane
    and channel, as the parity of all channels up to this one (`hw.array.low_bits`). A lane's sum
    adds 2h + b over the channels. For an antipodal codebook, where the top index bit is set, it
    subtracts them and is too large by a constant of the index word, which
    `hw.array.interface.sum_offset` knows; for others b is complemented where the kernel is odd.
    Null channels (null when loaded and null in every index word) add nothing.

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
        return ArrayTiming(
            latency=INDEX_LATENCY + levels(parameters.channels),
            prepare_latency=parameters.entries + FillUnit.latency - 1,
            # A step's first table entry is written this long after its first load.
            load_lead=parameters.fill + 1,
        )

    def elaborate(self, platform):
        m = Module()
        p = self.parameters
        # An antipodal codebook's sign is the top index bit, the parity of others is looked up.
        tops = self.index[p.tau - 1 :: p.tau]
        low_flips = tops if p.antipodal else self._parities(m) & ~self.null
        number_flips = tops if p.antipodal else Const(0, p.channels)
        flips = Signal(p.channels)  # of the tree's numbers
        parity_flip = Signal()
        wanted = carry_flips(list(low_flips), list(number_flips))
        turns = [
            [Signal(name=f"turn{n}_{place}") for place in range(len(group))]
            for n, group in enumerate(wanted)
        ]
        m.d.sync += [flips.eq(number_flips), parity_flip.eq(low_flips.xor())]
        for turn, value in zip(chain(*turns), chain(*wanted), strict=True):
            m.d.sync += turn.eq(value)

        bank = Signal()  # of the front tables
        m.d.sync += bank.eq(bank ^ self.swap)
        m.submodules.taps = taps = TapPlanes(p.pixels)
        low = Signal(p.pixels)  # of p, for a codeword of even parity
        m.d.comb += [
            taps.windows.eq(self.load.windows),
            low.eq(Mux(self.load.null, 0, ~taps.odd)),
        ]
        parity, prefix = Signal(p.pixels), Signal(p.pixels)  # of the channels so far, and with this
        m.d.comb += prefix.eq(Mux(self.load.channel == 0, low, low ^ parity))
        with m.If(self.load.valid):
            m.d.sync += parity.eq(prefix)

        served = [
            reduce(or_, (self.load.channel == j for j in range(f, p.channels, p.fill)))
            for f in range(p.fill)
        ]
        start = Signal()
        m.d.sync += start.eq(self.load.valid & served[-1])
        units = [FillUnit(p) for _ in range(p.fill)]
        for f, unit in enumerate(units):
            m.submodules[f"fill{f}"] = unit
            m.d.comb += [
                unit.enable.eq(self.codebook_write.enable),
                unit.write_address.eq(self.codebook_write.address),
                unit.write_data.eq(self.codebook_write.data),
                unit.load.eq(self.load.valid & served[f]),
                unit.start.eq(start),
                unit.channel.eq(self.load.channel),
                unit.window.eq(taps.planes),
                unit.low.eq(low),
                unit.prefix.eq(prefix),
                unit.null.eq(self.load.null),
            ]

        halves = []
        for f, unit in enumerate(units):
            m.submodules[f"halves{f}"] = lanes = LaneNumbers(p.pixels, unsigned(HALF_BITS))
            for place, plane in enumerate(lanes.planes):
                m.d.comb += plane.eq(unit.halves.word_select(place, p.pixels))
            halves.append(lanes.numbers.as_value())

        m.submodules.tree = tree = FlippedTree(p.pixels, p.channels, HALF_BITS)
        m.d.comb += tree.flips.eq(flips)
        fronts = []
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
                write.data.eq(halves[j % p.fill]),
                read.addr.eq(Cat(index, bank)),
            ]
            with m.If(unit.write & (unit.write_channel == j)):
                m.d.sync += back.eq(unit.walked_prefix)
            with m.If(self.swap):
                m.d.sync += front.eq(back)
            fronts.append(front)
            for lane in range(p.pixels):
                m.d.comb += tree.numbers[j][lane].eq(read.data.word_select(lane, HALF_BITS))
        m.d.comb += tree.carries.eq(Cat(low_carries(fronts, turns)))
        lowest = delay(m, flipped(fronts[-1], parity_flip), tree.latency, "lowest")
        m.submodules.lanes = lanes = LaneNumbers(p.pixels, unsigned(sum_bits(p)))
        m.d.comb += lanes.planes[0].eq(lowest)
        for place in range(1, sum_bits(p)):
            m.d.comb += lanes.planes[place].eq(Cat(total[place - 1] for total in tree.sums))
        m.d.comb += self.sums.eq(lanes.numbers)
        return m

    def _parities(self, m: Module) -> Value:
        """Parities of the kernels that the index words name, each from a copy of its own."""
        p, write = self.parameters, self.codebook_write
        parities = []
        for j in range(p.channels):
            m.submodules[f"parity{j}"] = memory = Memory(shape=1, depth=p.entries, init=[])
            port, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                port.en.eq(write.enable),
                port.addr.eq(write.address),
                port.data.eq(write.data.xor()),
                read.addr.eq(self.index.word_select(j, p.tau)),
            ]
            parities.append(read.data)
        return Cat(parities)
