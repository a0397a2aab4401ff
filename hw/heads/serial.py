"""A head that works behind the last layer, beside the next image's layers.

::

    words of the last layer -> features -> dense layer -> o

Features are those of `hw.heads.feature_sums` or `hw.heads.feature_words`, the dense layer is
`hw.heads.dense`. The words are taken up as they come; once they are complete, the dense layer asks
for one feature a cycle. Until its scores are sent, the next image's last layer may not begin.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.heads.dense import Dense, score_layout
from hw.heads.feature_sums import FeatureSums
from hw.heads.feature_words import FeatureWords
from hw.heads.serial_plan import SerialPlan
from hw.pipeline import delay

__all__ = ["SerialHead"]


class SerialHead(wiring.Component):
    """See the module; ``plan.cycles`` from ``finish`` to the last score.

    Parameters
    ----------
    plan, weights, offsets : see `hw.heads.serial_plan.SerialPlan`.
    load : the member ``contents``, from `hw.loading.port.ports`, where the network can be loaded.

    Members
    -------
    valid, word, channel : In, an output word of the last layer, its lane n at bit
        ``plan.value_bits * n``; channel by channel, tile by tile. The words of a channel are 3
        cycles apart at least.
    finish : In, strobe: all words have come (2 cycles after the last one at least).
    ready : Out, an image's last layer may begin.
    busy : Out, a result is being completed or sent (not: it waits to be taken).
    o : stream of scores, `hw.heads.dense.score_layout`.
    """

    def __init__(
        self,
        plan: SerialPlan,
        weights: tuple[int, ...],
        offsets: tuple[int, ...],
        load: dict | None = None,
    ):
        self._load = load or {}
        self.plan = plan
        self.weights = weights
        self.offsets = offsets
        super().__init__(
            {
                "valid": In(1),
                "word": In(plan.pixels * plan.value_bits),
                "channel": In(range(max(plan.channels, 2))),
                "finish": In(1),
                "ready": Out(1, init=1),
                "busy": Out(1),
                "o": Out(stream.Signature(score_layout(plan))),
                **self._load,
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = self.plan
        store = FeatureWords if plan.kind == "words" else FeatureSums
        m.submodules.features = features = store(plan)
        m.submodules.dense = dense = Dense(plan, self.weights, self.offsets, self._load)
        if self._load:
            connect(m, flipped(self.contents), dense.contents)
        connect(m, dense.o, flipped(self.o))
        tile, column = Signal(range(plan.tiles)), Signal(range(plan.row_tiles))
        last_tile, row_end = tile == plan.tiles - 1, column == plan.row_tiles - 1
        with m.If(self.valid & (self.channel == plan.channels - 1)):
            m.d.sync += tile.eq(Mux(last_tile, 0, tile + 1))
            m.d.sync += column.eq(Mux(row_end, 0, column + 1))
        m.d.comb += [
            features.valid.eq(self.valid),
            features.word.eq(self.word),
            features.channel.eq(self.channel),
            features.first_tile.eq(tile == 0),
            features.last_tile.eq(row_end if plan.row_tiles > 1 else last_tile),
            features.take.eq(dense.take),
            dense.feature.eq(features.feature),
            dense.start.eq(delay(m, self.finish, plan.levels, "settled")),
            self.busy.eq(~self.ready & ~(self.o.valid & ~self.o.ready)),
        ]
        with m.If(self.finish):
            m.d.sync += self.ready.eq(0)
        with m.If(self.o.valid & self.o.ready & self.o.payload.last):
            m.d.sync += self.ready.eq(1)
        return m
