"""The engine with flat ports of plain names, as the C++ side knows them."""

from amaranth.hdl import Elaboratable, Module, Signal, Value, signed
from amaranth.lib import data

from hw.engine import Engine

__all__ = ["SCORE_BITS", "SimulationTop"]

SCORE_BITS = 64
STREAM_WORD = ("stream_valid", "stream_tile", "stream_channel", "stream_data")


class SimulationTop(Elaboratable):
    """Wraps an engine; ``ports`` are those of `harness.cpp`.

    Inputs ``i_valid``, ``i_payload``, ``o_ready``; outputs ``i_ready``, ``o_valid``, ``o_label``,
    ``o_scores`` (class k, sign extended, at bit 64 * k, or the next one of a head that sends one
    after the other), ``o_last`` (with a result's last scores) and, unless ``probed`` is false,
    every member of the probe. The index port's are ``index_valid``, ``index_payload`` and
    ``index_ready``; they and the probe's of a stream are always there so that one harness drives
    every engine.
    """

    def __init__(self, engine: Engine, probed: bool = True):
        self.engine = engine
        serial = engine.program.serial_head is not None
        self.i_valid = Signal()
        self.i_ready = Signal()
        self.i_payload = Signal(engine.program.input_bits)
        self.o_valid = Signal()
        self.o_ready = Signal()
        self.o_label = Signal(16)
        scores = 1 if serial else engine.program.classes
        self.o_scores = Signal(data.ArrayLayout(signed(SCORE_BITS), scores))
        self.o_last = Signal()
        self.index_valid = Signal()
        self.index_ready = Signal()
        port = engine.program.index_port
        self.index_payload = Signal(port.bits if port else 1)
        self.probed = {
            name: Signal(Value.cast(getattr(engine.probe, name)).shape(), name=name)
            for name in (engine.probe.signature.members if probed else ())
        }
        absent = [name for name in STREAM_WORD if name not in self.probed] if probed else []
        self._absent = [Signal(name=name) for name in absent]

    @property
    def ports(self) -> list[Value]:
        own = (self.i_valid, self.i_ready, self.i_payload)
        own += (self.o_valid, self.o_ready, self.o_label, self.o_last)
        index = (self.index_valid, self.index_ready, self.index_payload)
        return [*own, *index, Value.cast(self.o_scores), *self.probed.values(), *self._absent]

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.engine = engine = self.engine
        m.d.comb += [
            engine.i.valid.eq(self.i_valid),
            engine.i.payload.eq(self.i_payload),
            self.i_ready.eq(engine.i.ready),
            self.o_valid.eq(engine.o.valid),
            engine.o.ready.eq(self.o_ready),
            self.o_label.eq(engine.o.payload.label),
        ]
        m.d.comb += self.index_ready.eq(0)
        if engine.program.index_port:
            m.d.comb += [
                engine.index.valid.eq(self.index_valid),
                engine.index.payload.eq(self.index_payload),
                self.index_ready.eq(engine.index.ready),
            ]
        if engine.program.serial_head:
            m.d.comb += [
                self.o_scores[0].eq(engine.o.payload.score),
                self.o_last.eq(engine.o.payload.last),
            ]
        else:
            m.d.comb += self.o_last.eq(1)
            for place in range(len(self.o_scores)):
                m.d.comb += self.o_scores[place].eq(engine.o.payload.scores[place])
        for name, signal in self.probed.items():
            m.d.comb += signal.eq(Value.cast(getattr(engine.probe, name)))
        m.d.comb += [signal.eq(0) for signal in self._absent]
        return m
