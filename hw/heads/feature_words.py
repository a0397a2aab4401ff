"""Features of a head on flattened maps: the pixels of the last layer's words, one after the other.

The words are kept as they come. Later they are read in the same order, each into a shift register
whose lowest lane is the feature::

    cycle      0                1             2
    take       address          word read     lowest lane out, the next one follows
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from hw.heads.features import feature_members
from hw.heads.serial_plan import SerialPlan
from hw.pipeline import delay

__all__ = ["FeatureWords"]


class FeatureWords(wiring.Component):
    """See the module; members as those of `hw.heads.feature_sums.FeatureSums`. Complete the cycle
    after the last word."""

    latency = 2

    def __init__(self, plan: SerialPlan):
        self.plan = plan
        super().__init__(feature_members(plan))

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = self.plan
        memory = Memory(shape=len(self.word), depth=max(plan.stored_words, 2), init=[])
        m.submodules.memory = memory
        read, write = memory.read_port(), memory.write_port()
        following = Signal.like(write.addr)
        begins = self.first_tile & (self.channel == 0)
        m.d.comb += [
            write.addr.eq(Mux(begins, 0, following)),
            write.data.eq(self.word),
            write.en.eq(self.valid),
        ]
        with m.If(self.valid):
            m.d.sync += following.eq(write.addr + 1)

        # Of the feature taken next.
        lane, word = Signal(range(plan.lanes)), Signal.like(read.addr)
        channel, tile = Signal(range(plan.channels)), Signal(range(plan.tiles))
        column = Signal(range(plan.row_tiles))
        short = column == plan.row_tiles - 1 if plan.row_tiles > 1 else tile == plan.tiles - 1
        first, last = Signal(), Signal()
        m.d.comb += [
            first.eq(lane == 0),
            last.eq(Mux(short, lane == plan.last_lanes - 1, lane == plan.lanes - 1)),
            read.addr.eq(word),
        ]
        with m.If(self.take):
            m.d.sync += lane.eq(lane + 1)
            with m.If(last):
                m.d.sync += [lane.eq(0), word.eq(word + 1), channel.eq(channel + 1)]
                with m.If(channel == plan.channels - 1):
                    m.d.sync += [channel.eq(0), tile.eq(tile + 1), column.eq(column + 1)]
                    with m.If(column == plan.row_tiles - 1):
                        m.d.sync += column.eq(0)
                    with m.If(tile == plan.tiles - 1):
                        m.d.sync += [tile.eq(0), word.eq(0)]

        held = Signal(len(self.word))
        loads, moves = delay(m, first, 1, "loads"), delay(m, self.take, 1, "moves")
        with m.If(moves):
            m.d.sync += held.eq(Mux(loads, read.data, held >> plan.value_bits))
        m.d.comb += self.feature.eq(held[: plan.value_bits])
        return m
