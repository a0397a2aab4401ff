"""Counters of events in a small memory: one adder for all, and no multiplexer to read them by."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.link.payloads import Tally
from hw.pipeline import delay

__all__ = ["TallyCounters"]


class TallyCounters(wiring.Component):
    """A 32-bit counter of each `Tally`, modulo 2^32, from 0 at configuration on.

    Members
    -------
    event, kind : In, strobe; counted in the next cycle.
    number : In, the counter to read. value : Out(32), it, while not ``busy``. busy : Out, an event
        is being counted.
    """

    event: In(1)
    kind: In(3)
    number: In(3)
    value: Out(32)
    busy: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.counters = memory = Memory(shape=32, depth=len(Tally), init=[])
        reading, writing = memory.read_port(domain="comb"), memory.write_port()
        place = Signal(3)
        # What makes an event is long, and so is counting it.
        event, kind = delay(m, self.event, 1, "event"), delay(m, self.kind, 1, "kind")
        m.d.comb += [
            place.eq(Mux(event, kind, self.number)),
            reading.addr.eq(place),
            self.value.eq(reading.data),
            writing.addr.eq(place),
            writing.data.eq(reading.data + 1),
            writing.en.eq(event),
            self.busy.eq(event),
        ]
        return m
