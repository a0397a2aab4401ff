"""The engine behind AXI4-Stream names: one clock, an active-low reset, pixels in, results out."""

from amaranth.hdl import Cat, ClockDomain, Const, Elaboratable, Module, Signal, Value

from hw.engine import Engine

__all__ = ["SCORE_BITS", "AxiEngine", "result_bits", "result_word"]

SCORE_BITS = 32
LABEL_BITS = 16


def result_bits(classes: int) -> int:
    """Bits of ``m_axis_tdata``: the class, then a score for each class."""
    return LABEL_BITS + SCORE_BITS * classes


def result_word(label: int, scores: list[int]) -> int:
    """``m_axis_tdata`` of a result: the class in the lowest 16 bits, class k's score, signed, in
    the 32 bits from ``16 + 32 * k`` on."""
    word = label
    for place, score in enumerate(scores):
        word |= (score & (1 << SCORE_BITS) - 1) << (LABEL_BITS + SCORE_BITS * place)
    return word


class AxiEngine(Elaboratable):
    """Ports as in `ports`; all of them belong to clock ``aclk``.

    ``s_axis`` takes an image's bytes (colours, rows, columns), one a beat; ``m_axis`` gives a
    result a beat, see `result_word`. Where the engine has an index port, ``s_axis_index`` takes
    its words.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        port = engine.program.index_port
        self.aclk, self.aresetn = Signal(name="aclk"), Signal(name="aresetn")
        bits = result_bits(len(engine.o.payload.scores))
        self.ports = [self.aclk, self.aresetn]
        self._in = self._stream("s_axis", 8)
        self._out = self._stream("m_axis", bits)
        self._index = self._stream("s_axis_index", port.bits) if port else None

    def _stream(self, name: str, bits: int) -> tuple[Signal, Signal, Signal]:
        data = Signal(bits, name=f"{name}_tdata")
        valid, ready = Signal(name=f"{name}_tvalid"), Signal(name=f"{name}_tready")
        self.ports += [data, valid, ready]
        return data, valid, ready

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.sync = domain = ClockDomain()
        m.submodules.engine = engine = self._engine
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        _feed(m, self._in, engine.i)
        if self._index is not None:
            _feed(m, self._index, engine.index)
        data, valid, ready = self._out
        result = engine.o.payload
        scores = [Value.cast(result.scores[n]) for n in range(len(result.scores))]
        wide = [Cat(s, s[-1].replicate(SCORE_BITS - len(s))) for s in scores]
        label = Cat(result.label, Const(0, LABEL_BITS - len(result.label)))
        m.d.comb += [
            data.eq(Cat(label, *wide)),
            valid.eq(engine.o.valid),
            engine.o.ready.eq(ready),
        ]
        return m


def _feed(m: Module, axis: tuple[Signal, Signal, Signal], port) -> None:
    data, valid, ready = axis
    m.d.comb += [port.payload.eq(data), port.valid.eq(valid), ready.eq(port.ready)]
