"""Dense layer and arg-max over features that come one a cycle, some classes at a time.

Each of ``parallel`` accumulators adds weight times feature for a class of its own; when all
features have come by, the sums move aside, and the next round's classes begin without a gap.
Meanwhile the sums that moved aside become scores, one a cycle::

    cycle      0       latency           + 1        + 2        + 3           + 4
    take       asked   feature, weights  products   added      sums aside    scores, one a cycle

Scores are kept in a memory. When the last one is there, they are sent class by class, each with the
label: the highest score's class, the lowest among equals.
"""

from itertools import pairwise

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.heads.serial_plan import WEIGHT_BITS, SerialPlan
from hw.pipeline import delay
from hw.rom import rom

__all__ = ["Dense", "score_layout"]


def score_layout(plan: SerialPlan) -> data.StructLayout:
    """A score as it is sent: the image's class with each, and whether it is the last class'."""
    return data.StructLayout(
        {"label": unsigned(plan.label_bits), "score": signed(plan.score_bits), "last": 1}
    )


class Dense(wiring.Component):
    """See the module.

    Parameters
    ----------
    plan, weights, offsets : see `hw.heads.serial_plan.SerialPlan`.
    load : the member ``contents``, from `hw.loading.port.ports`, where the network can be loaded.

    Members
    -------
    start : In, strobe: features may be asked for from the next cycle on.
    take : Out, strobe; feature : In, ``plan.feature_latency`` cycles later.
    o : stream of scores, `score_layout`.
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
        kind = signed if plan.on_stream else unsigned
        super().__init__(
            {
                "start": In(1),
                "take": Out(1),
                "feature": In(kind(plan.feature_bits)),
                "o": Out(stream.Signature(score_layout(plan))),
                **self._load,
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        plan, latency = self.plan, self.plan.feature_latency
        feature, turn = Signal(range(plan.features)), Signal(range(plan.rounds))
        last_feature, last_round = feature == plan.features - 1, turn == plan.rounds - 1
        with m.If(self.take):
            m.d.sync += feature.eq(Mux(last_feature, 0, feature + 1))
            with m.If(last_feature):
                m.d.sync += [turn.eq(Mux(last_round, 0, turn + 1)), self.take.eq(~last_round)]
        with m.If(self.start):
            m.d.sync += self.take.eq(1)

        address = Signal(range(max(len(self.weights), 2)))
        with m.If(delay(m, self.take, latency - 1, "read")):
            m.d.sync += address.eq(address + 1)
        with m.If(self.start):
            m.d.sync += address.eq(0)
        load = self._load and self.contents.weights
        width = WEIGHT_BITS * plan.parallel
        weights = rom(m, "weights", width, self.weights, address, load or None)

        adding = delay(m, self.take, latency + 1, "adding")
        fresh = delay(m, feature == 0, latency + 1, "fresh")
        aside = delay(m, self.take & last_feature, latency + 2, "aside")
        sums = []
        for k in range(plan.parallel):
            weight = weights.word_select(k, WEIGHT_BITS).as_signed()
            product = Signal(signed(WEIGHT_BITS + plan.feature_bits), name=f"product{k}")
            total = Signal(signed(plan.sum_bits), name=f"sum{k}")
            # A single bit chooses whether to add.
            one = plan.feature_bits == 1 and not plan.on_stream
            m.d.sync += product.eq(Mux(self.feature, weight, 0) if one else weight * self.feature)
            with m.If(adding):
                m.d.sync += total.eq(Mux(fresh, 0, total) + product)
            sums.append(total)
        self._send(m, sums, aside)
        return m

    def _send(self, m: Module, sums: list[Signal], aside) -> None:
        """Scores of sums that move aside, one after the other; behind the last, sends all."""
        plan = self.plan
        moved = [Signal(signed(plan.sum_bits), name=f"aside{k}") for k in range(plan.parallel)]
        left, number = Signal(range(plan.parallel + 1)), Signal(range(plan.classes))
        scoring, last_class = left != 0, number == plan.classes - 1
        following = Signal.like(number)
        m.d.comb += following.eq(Mux(scoring, Mux(last_class, 0, number + 1), number))
        load, shape = self._load and self.contents.offsets, signed(plan.score_bits)
        offset = rom(m, "offsets", shape, self.offsets, following, load or None)
        score, label = Signal(signed(plan.score_bits)), Signal(plan.label_bits)
        m.d.sync += number.eq(following)
        with m.If(scoring):
            # +1 pixels count twice, as the offset has all pixels at -1.
            m.d.sync += score.eq((moved[0] if plan.on_stream else moved[0] << 1) + offset)
            m.d.sync += [one.eq(behind) for one, behind in pairwise(moved)]
            m.d.sync += left.eq(Mux(last_class, 0, left - 1))
        with m.If(aside):
            m.d.sync += left.eq(plan.parallel)
            m.d.sync += [one.eq(total) for one, total in zip(moved, sums, strict=True)]

        memory = Memory(shape=signed(plan.score_bits), depth=max(plan.classes, 2), init=[])
        m.submodules.scores = memory
        read, write = memory.read_port(), memory.write_port()
        scored, of_class = delay(m, scoring, 1, "scored"), delay(m, number, 1, "of_class")
        m.d.comb += [write.en.eq(scored), write.addr.eq(of_class), write.data.eq(score)]
        best = Signal.like(score)
        # Only a greater score displaces: the lowest class wins a tie.
        with m.If(scored & ((of_class == 0) | (score > best))):
            m.d.sync += [best.eq(score), label.eq(of_class)]

        o, sent = self.o, Signal(range(plan.classes))
        last_sent = sent == plan.classes - 1
        taken = o.valid & o.ready
        m.d.comb += [
            read.addr.eq(Mux(taken, sent + 1, sent)),
            o.payload.label.eq(label),
            o.payload.score.eq(read.data),
            o.payload.last.eq(last_sent),
        ]
        with m.If(delay(m, scored & (of_class == plan.classes - 1), 1, "complete")):
            m.d.sync += o.valid.eq(1)
        with m.If(taken):
            m.d.sync += sent.eq(sent + 1)
            with m.If(last_sent):
                m.d.sync += [sent.eq(0), o.valid.eq(0)]
