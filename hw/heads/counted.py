"""Head: global sum pooling, dense layer and arg-max; the dense layer beside the next image.

Score k is a sum over channels of ``weight[k, channel] * pixels that are +1``. While the last layer
runs, the +1 pixels of every channel are counted, tile by tile, into a small memory. Then a few
multipliers walk all weights, class by class, and there is time for it: until the next image comes
to its last layer, nobody needs the counts. `hw.heads.counted_plan` says how many multipliers are
enough.

Each of M multipliers does one class at a time, M classes in turn, a channel a cycle::

    cycle      0            1                  2             3             4
    channel    addressed    count, weights     registered    multiplied    added, registered

(Block RAM is slow: what it gives is multiplied a cycle later.)

Classes leave in order, one a cycle, through one comparator; then the result waits at ``o`` while
the head is ready for the next image.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.heads.counted_plan import WEIGHT_BITS
from hw.maps.geometry import lane_mask
from hw.rom import rom

__all__ = ["Head", "result_layout"]


def result_layout(classes: int, score_bits: int) -> data.StructLayout:
    """A result: the class, and the signed score of each class."""
    return data.StructLayout(
        {"label": 8, "scores": data.ArrayLayout(signed(score_bits), classes)}
    )


class Head(wiring.Component):
    """See the module; a word is counted in 2 cycles, a result takes `head_cycles`
    of `hw.heads.counted_plan`.

    Parameters
    ----------
    weights, offsets : contents of its memories, as `hw.heads.counted_plan` makes them.
    classes, channels, units : of the dense layer, and multipliers; ``units`` divides ``classes``.
    pixels : lanes; tile_lanes, last_lanes : real ones in a tile and in a last tile.
    count_bits : of a channel's count of +1 pixels. score_bits : of a score, signed.
    load : the member ``contents``, from `hw.loading.port.ports`, where the network can be loaded.

    Members
    -------
    valid, word, channel, first_tile, last_tile : In, an output word of the last layer; not the
        same channel again within 2 cycles. ``last_tile``: it has ``last_lanes``.
    finish : In, strobe: all words have been counted (2 cycles after the last one at least).
    ready : Out, an image's last layer may begin.
    busy : Out, a result is being completed (not: it waits for the one before to be taken).
    o : stream of results.
    """

    latency = 2

    def __init__(
        self,
        weights: tuple[int, ...],
        offsets: tuple[int, ...],
        *,
        classes: int,
        channels: int,
        units: int,
        pixels: int,
        tile_lanes: int,
        last_lanes: int,
        count_bits: int,
        score_bits: int,
        load: dict | None = None,
    ):
        self._loads = bool(load)
        self.weights, self.offsets = weights, offsets
        self.classes, self.channels, self.units = classes, channels, units
        self.pixels = pixels
        self.tile_lanes = tile_lanes
        self.last_lanes = last_lanes
        self.count_bits, self.score_bits = count_bits, score_bits
        super().__init__(
            {
                "valid": In(1),
                "word": In(pixels),
                "channel": In(range(max(channels, 2))),
                "first_tile": In(1),
                "last_tile": In(1),
                "finish": In(1),
                "ready": Out(1, init=1),
                "busy": Out(1),
                "o": Out(stream.Signature(result_layout(classes, score_bits))),
                **(load or {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        walking, complete = Signal(), Signal()
        channel = Signal(range(max(self.channels, self.units)))
        count = self._counts(m, walking, channel)
        ending = self._walk(m, walking, channel)
        scores, ready = self._multiply(m, walking & (channel < self.channels), channel, count)
        label, kept = self._compare(m, scores, ready, complete)

        m.d.comb += self.busy.eq(~self.ready & ~(complete & self.o.valid & ~self.o.ready))
        with m.If(ending):
            m.d.sync += walking.eq(0)
        with m.If(self.finish):
            m.d.sync += [self.ready.eq(0), walking.eq(1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(complete & (~self.o.valid | self.o.ready)):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.label.eq(label),
                self.o.payload.scores.eq(kept),
                self.ready.eq(1),
                complete.eq(0),
            ]
        return m

    def _counts(self, m: Module, walking: Signal, channel: Signal) -> Signal:
        """Counts words into the memory; the count of ``channel`` a cycle later, while walking."""
        memory = Memory(shape=self.count_bits, depth=max(self.channels, 2), init=[])
        m.submodules.counts = memory
        read, write = memory.read_port(), memory.write_port()
        lanes = Mux(self.last_tile, lane_mask(self.last_lanes), lane_mask(self.tile_lanes))
        ones = Signal(bits_for(self.pixels))
        first = Signal()
        m.d.sync += [
            ones.eq(_count(self.word & lanes, self.pixels)),
            first.eq(self.first_tile),
            write.en.eq(self.valid),
            write.addr.eq(self.channel),
        ]
        m.d.comb += [
            read.addr.eq(Mux(walking, channel, self.channel)),
            write.data.eq(ones + Mux(first, 0, read.data)),
        ]
        return read.data

    def _walk(self, m: Module, walking: Signal, channel: Signal) -> Signal:
        """Lets ``channel`` go through all channels for each group of classes; the last cycle."""
        group = Signal(range(self.classes // self.units))
        ending = Signal()
        period = max(self.channels, self.units)
        m.d.comb += ending.eq(
            (channel == self.channels - 1) & (group == self.classes // self.units - 1)
        )
        with m.If(walking):
            m.d.sync += channel.eq(channel + 1)
            with m.If(channel == period - 1):
                m.d.sync += [channel.eq(0), group.eq(group + 1)]
        with m.If(walking & ending):
            m.d.sync += [channel.eq(0), group.eq(0)]
        return walking & ending

    def _multiply(self, m: Module, reading, channel: Signal, count) -> tuple[list, Signal]:
        """The scores of a group of classes, and when they are there."""
        address = Signal(range(max(len(self.weights), 2)))
        group = Signal(range(max(len(self.offsets), 2)))
        with m.If(reading):
            m.d.sync += address.eq(address + 1)
        with m.If(self.finish):
            m.d.sync += [address.eq(0), group.eq(0)]
        load = self._loads and self.contents.weights
        width = WEIGHT_BITS * self.units
        weights = rom(m, "weights", width, self.weights, address, load or None)
        times, factor = Signal.like(weights), Signal.like(count)
        m.d.sync += [times.eq(weights), factor.eq(count)]
        # What accompanies a channel, one to four cycles after its address.
        valid, first, last = [Signal(4, name=name) for name in ("valid", "first", "last")]
        m.d.sync += [
            valid.eq(Cat(reading, valid)),
            first.eq(Cat(channel == 0, first)),
            last.eq(Cat(reading & (channel == self.channels - 1), last)),
        ]
        with m.If(last[1]):
            m.d.sync += group.eq(group + 1)
        load = self._loads and self.contents.offsets
        width = self.score_bits * self.units
        offsets = rom(m, "offsets", width, self.offsets, group, load or None)
        scores = []
        for unit in range(self.units):
            weight = times.word_select(unit, WEIGHT_BITS).as_signed()
            offset = offsets.word_select(unit, self.score_bits).as_signed()
            # A score is 2 * (products) + offset: the offset's low bit is the score's.
            product = Signal(signed(WEIGHT_BITS + self.count_bits), name=f"product{unit}")
            total = Signal(signed(self.score_bits - 1), name=f"total{unit}")
            low = Signal(name=f"low{unit}")
            m.d.sync += product.eq(weight * factor)
            with m.If(valid[2]):
                m.d.sync += total.eq(product + Mux(first[2], offset[1:].as_signed(), total))
            with m.If(first[2]):
                m.d.sync += low.eq(offset[0])
            scores.append(Cat(low, total))
        return scores, last[3]

    def _compare(self, m: Module, scores: list, ready, complete: Signal) -> tuple[Signal, Signal]:
        """Compares the scores class by class; the best one's number, and all of them."""
        waiting = [Signal(signed(self.score_bits), name=f"waiting{n}") for n in range(self.units)]
        left = Signal(range(self.units + 1))
        for place, value in enumerate(waiting):
            following = waiting[place + 1] if place + 1 < self.units else value
            m.d.sync += value.eq(Mux(ready, scores[place], following))
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(ready):
            m.d.sync += left.eq(self.units)

        number = Signal(range(self.classes))
        best = Signal(signed(self.score_bits))
        label = Signal(8)
        kept = Signal(self.score_bits * self.classes)
        score = waiting[0]
        with m.If(left != 0):
            # In the end, the first class has come down to the lowest place.
            m.d.sync += [kept.eq(Cat(kept, score)[self.score_bits :]), number.eq(number + 1)]
            # Only a greater score displaces: the lowest class wins a tie.
            with m.If((number == 0) | (score > best)):
                m.d.sync += [best.eq(score), label.eq(number)]
            with m.If(number == self.classes - 1):
                m.d.sync += [number.eq(0), complete.eq(1)]
        return label, kept


def _count(word, pixels: int):
    """Number of ones in a word: a balanced tree, so that no sum is wider than it need be."""
    terms = [word[n] for n in range(pixels)]
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        sums = [a + b for a, b in pairs]
        terms = sums + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]
