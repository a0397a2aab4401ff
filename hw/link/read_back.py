"""The check sum of everything that the memories hold, read back out of them."""

from collections.abc import Sequence

from amaranth.hdl import Array, Const, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.link.crc import SerialCrc
from hw.link.protocol import LOAD_ADDRESS_BYTES
from hw.loading.slots import Slot

__all__ = ["ReadBack", "read_cycles"]

BYTE_CYCLES = 11


def read_cycles(slots: Sequence[Slot]) -> int:
    """Cycles from ``start`` to ``done``."""
    return BYTE_CYCLES * sum(slot.depth * slot.word_bytes for slot in slots)


class ReadBack(wiring.Component):
    """Reads memory after memory, word after word, and adds each byte to a CRC-32, in `read_cycles`.

    Parameters
    ----------
    slots : the memories.

    Members
    -------
    start : In, strobe; done : Out, strobe: ``value``, Out(32), is `hw.loading.slots.check_sum`.
    read : Out, to all memories; address, place : Out, what is read: a word, a byte of it.
    bytes : In, what each of the memories gives, a cycle after the address.
    """

    def __init__(self, slots: Sequence[Slot]):
        self.slots = tuple(slots)
        self._bytes = max(slot.word_bytes for slot in slots)
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                "value": Out(32),
                "read": Out(1),
                "address": Out(8 * LOAD_ADDRESS_BYTES),
                "place": Out(range(max(self._bytes, 2))),
                "bytes": In(data.ArrayLayout(8, len(slots))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc()
        slot = Signal(range(max(len(self.slots), 2)))
        depth = max(max(s.depth for s in self.slots).bit_length(), 1)
        ends = Array(Const(s.depth - 1, depth) for s in self.slots)
        widths = Array(Const(s.word_bytes - 1, len(self.place)) for s in self.slots)
        m.d.comb += [self.value.eq(~crc.value), crc.byte.eq(self.bytes[slot])]
        waited = Signal(range(BYTE_CYCLES))
        last_place = Signal()
        last_word = Signal()
        # What chooses the byte and ends a memory is slow, and there is time.
        m.d.sync += [
            last_place.eq(self.place == widths[slot]),
            last_word.eq(self.address == ends[slot]),
        ]
        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.comb += crc.clear.eq(1)
                m.d.sync += [signal.eq(0) for signal in (slot, self.address, self.place)]
                m.next = "BYTE"
            with m.State("BYTE"):
                m.d.comb += [self.read.eq(1), crc.valid.eq(waited == 1)]
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited == BYTE_CYCLES - 1):
                    m.d.sync += [waited.eq(0), self.place.eq(self.place + 1)]
                    with m.If(last_place):
                        m.d.sync += [self.place.eq(0), self.address.eq(self.address + 1)]
                        with m.If(last_word):
                            m.d.sync += [self.address.eq(0), slot.eq(slot + 1)]
                            with m.If(slot == len(self.slots) - 1):
                                m.d.comb += self.done.eq(1)
                                m.next = "IDLE"
        return m
