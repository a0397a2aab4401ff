"""Head: global sum pooling, dense layer and arg-max, streaming beside the last convolution.

Score k of the dense layer is a sum over channels and tiles of ``weight[k, channel] * pixels``
that are +1, so nothing has to be kept but one accumulator a class. Every output word of the last
layer is counted, multiplied with all classes' weights, and added up::

    cycle      0             1                  2
    word       at input      pixels counted     added to all accumulators
    channel    (read)        weights

After ``finish``, the scores are completed and compared one class a cycle; then the result waits
at ``o`` while the head is ready for the next image.
"""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.geometry import lane_mask
from hw.rom import rom

__all__ = ["Head", "result_layout"]

WEIGHT_BITS = 8


def result_layout(classes: int, score_bits: int) -> data.StructLayout:
    """A result: the class, and the signed score of each class."""
    return data.StructLayout(
        {"label": 8, "scores": data.ArrayLayout(signed(score_bits), classes)}
    )


class Head(wiring.Component):
    """See the module; a word reaches the accumulators in 2 cycles, a result takes classes + 1.

    Parameters
    ----------
    weights : one word a channel, class k's signed weight at bit 8 * k.
    offsets : one signed int a class.
    pixels : lanes; tile_lanes, last_lanes : real ones in a tile and in a last tile.
    sum_bits, score_bits : widths of accumulators and scores, signed.

    Members
    -------
    clear : In, strobe before an image's last layer.
    valid, word, channel, last_tile : In, an output word of the last layer.
    finish : In, strobe: all words have been added (2 cycles after the last one at least).
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
        pixels: int,
        tile_lanes: int,
        last_lanes: int,
        sum_bits: int,
        score_bits: int,
    ):
        self.weights = weights
        self.offsets = offsets
        self.pixels = pixels
        self.tile_lanes = tile_lanes
        self.last_lanes = last_lanes
        self.sum_bits = sum_bits
        self.score_bits = score_bits
        super().__init__(
            {
                "clear": In(1),
                "valid": In(1),
                "word": In(pixels),
                "channel": In(range(max(len(weights), 2))),
                "last_tile": In(1),
                "finish": In(1),
                "ready": Out(1, init=1),
                "busy": Out(1),
                "o": Out(stream.Signature(result_layout(len(offsets), score_bits))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        classes = len(self.offsets)
        weights = rom(m, "weights", WEIGHT_BITS * classes, self.weights, self.channel)

        lanes = Mux(self.last_tile, lane_mask(self.last_lanes), lane_mask(self.tile_lanes))
        count = Signal(bits_for(self.pixels))
        adding = Signal()
        m.d.sync += [count.eq(_count(self.word & lanes, self.pixels)), adding.eq(self.valid)]
        sums = [Signal(signed(self.sum_bits), name=f"sum{k}") for k in range(classes)]
        for k, total in enumerate(sums):
            weight = weights.word_select(k, WEIGHT_BITS).as_signed()
            with m.If(adding):
                m.d.sync += total.eq(total + weight * count)
            with m.If(self.clear):
                m.d.sync += total.eq(0)

        number = Signal(range(classes))
        best = Signal(signed(self.score_bits))
        label = Signal(8)
        scores = Signal(data.ArrayLayout(signed(self.score_bits), classes))
        score = Signal(signed(self.score_bits))
        complete = Signal()
        following = Signal.like(number)
        m.d.comb += following.eq(Mux(self.ready | complete, 0, number + 1))
        offset = rom(m, "offsets", signed(self.score_bits), self.offsets, following)
        m.d.comb += [
            score.eq((Array(sums)[number] << 1) + offset),
            self.busy.eq(~self.ready & ~(complete & self.o.valid & ~self.o.ready)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.finish):
            m.d.sync += [self.ready.eq(0), number.eq(0), complete.eq(0)]
        with m.If(~self.ready & ~complete):
            m.d.sync += [scores[number].eq(score), number.eq(number + 1)]
            # Only a greater score displaces: the lowest class wins a tie.
            with m.If((number == 0) | (score > best)):
                m.d.sync += [best.eq(score), label.eq(number)]
            with m.If(number == classes - 1):
                m.d.sync += [number.eq(0), complete.eq(1)]
        with m.If(~self.ready & complete & (~self.o.valid | self.o.ready)):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.label.eq(label),
                self.o.payload.scores.eq(scores),
                self.ready.eq(1),
                complete.eq(0),
            ]
        return m


def _count(word, pixels: int):
    """Number of ones in a word: a balanced tree, so that no sum is wider than it need be."""
    terms = [word[n] for n in range(pixels)]
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        sums = [a + b for a, b in pairs]
        terms = sums + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]
