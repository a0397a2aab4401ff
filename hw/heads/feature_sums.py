"""Features of a head that sums up maps: the sum of each channel, over lanes and tiles.

Words of the last layer come as they are computed. Their lanes are added by a tree with a register a
level, and the sum is added to that of the channel's earlier tiles, in a memory::

    cycle      0           1 .. levels         levels + 1        levels + 2
    word       at input    lanes pair by pair  with the memory   written
    channel                (read: levels)

so a channel's words must be 3 cycles apart; passes are more.
"""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from hw.heads.features import feature_members
from hw.heads.serial_plan import SerialPlan
from hw.pipeline import delay

__all__ = ["FeatureSums"]


class FeatureSums(wiring.Component):
    """See the module. Complete ``plan.levels`` + 2 cycles after the last word.

    Members
    -------
    valid, word, channel, first_tile, last_tile : In, a word, lane n at bit ``value_bits * n``;
        channels come in their order, tile after tile. ``last_tile``: it has ``plan.last_lanes``.
    take : In, strobe: the next feature is wanted, behind the last one the first again.
    feature : Out, ``latency`` cycles later.
    """

    latency = 1

    def __init__(self, plan: SerialPlan):
        self.plan = plan
        super().__init__(feature_members(plan))

    def elaborate(self, platform) -> Module:
        m = Module()
        plan, kind = self.plan, signed if self.plan.on_stream else unsigned
        terms = []
        for lane in range(plan.lanes):
            value = Signal(kind(plan.value_bits), name=f"lane{lane}")
            real = 1 if lane < plan.last_lanes else ~self.last_tile
            m.d.comb += value.eq(Mux(real, self.word.word_select(lane, plan.value_bits), 0))
            terms.append(value)
        levels = plan.levels
        for level in range(levels):
            terms = [_registered(m, pair, f"sum{level}_") for pair in _pairs(terms)]

        memory = Memory(shape=kind(plan.feature_bits), depth=max(plan.stored_words, 2), init=[])
        m.submodules.memory = memory
        read, write, ahead = memory.read_port(), memory.write_port(), memory.read_port()
        channel = delay(m, self.channel, levels, "channel")
        tree = delay(m, terms[0], 1, "tree")
        m.d.comb += [
            read.addr.eq(channel),
            write.addr.eq(delay(m, channel, 2, "channel_write")),
            write.en.eq(delay(m, self.valid, levels + 2, "valid")),
        ]
        earlier = Mux(delay(m, self.first_tile, levels + 1, "first"), 0, read.data)
        m.d.sync += write.data.eq(earlier + tree)

        m.d.comb += self.feature.eq(ahead.data)
        with m.If(self.take):
            last = ahead.addr == plan.channels - 1
            m.d.sync += ahead.addr.eq(Mux(last, 0, ahead.addr + 1))
        return m


def _pairs(terms: list) -> list:
    """Sums of neighbours, a last one without a neighbour as it is."""
    pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
    return pairs + ([terms[-1]] if len(terms) % 2 else [])


def _registered(m: Module, value, name: str) -> Signal:
    register = Signal(value.shape(), name=name)
    m.d.sync += register.eq(value)
    return register
