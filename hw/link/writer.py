"""Takes the payload of a request to load apart, and writes its words into one of the memories.

Payload: the memory's number, the first word's address (3 bytes), then words in whole bytes, lowest
byte first. What belongs to no memory is written nowhere; the check sum tells.
"""

from collections.abc import Sequence

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.link.protocol import LOAD_ADDRESS_BYTES, LOAD_HEADER_BYTES
from hw.loading.slots import Slot

__all__ = ["WordWriter"]


class WordWriter(wiring.Component):
    """See the module; a word is written in the cycle after its last byte, whatever comes then.

    Parameters
    ----------
    slots : the memories, by number.

    Members
    -------
    start : In, strobe before a payload's first byte. valid, byte : In, a byte of it.
    write : Out, strobe; slot, address : Out, where to. data : Out, the last bytes that came, the
        newest on top: of a memory with n bytes a word, the upper n.
    """

    def __init__(self, slots: Sequence[Slot]):
        self.slots = tuple(slots)
        self._bytes = max(slot.word_bytes for slot in slots)
        super().__init__(
            {
                "start": In(1),
                "valid": In(1),
                "byte": In(8),
                "write": Out(1),
                "slot": Out(8),
                "address": Out(8 * LOAD_ADDRESS_BYTES),
                "data": Out(8 * self._bytes),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        place = Signal(range(LOAD_HEADER_BYTES + 1))
        left = Signal(range(self._bytes))  # bytes to come after this one
        sizes = Array(Const(slot.word_bytes - 1, len(left)) for slot in self.slots)
        last_byte = Mux(self.slot < len(self.slots), sizes[self.slot], 0)
        heading = place != LOAD_HEADER_BYTES
        m.d.sync += self.write.eq(self.valid & ~heading & (left == 0))
        with m.If(self.write):
            m.d.sync += self.address.eq(self.address + 1)
        with m.If(self.valid):
            with m.If(heading):
                m.d.sync += place.eq(place + 1)
                with m.If(place == 0):
                    m.d.sync += self.slot.eq(self.byte)
                with m.Else():
                    m.d.sync += self.address.eq(self.address[8:])
                    m.d.sync += self.address[-8:].eq(self.byte)
                m.d.sync += left.eq(last_byte)
            with m.Else():
                m.d.sync += self.data.eq(self.data[8:])
                m.d.sync += self.data[-8:].eq(self.byte)
                m.d.sync += left.eq(Mux(left == 0, last_byte, left - 1))
        with m.If(self.start):
            m.d.sync += place.eq(0)
        return m
