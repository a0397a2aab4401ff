"""Line to packets: whole ones with the right length and CRC go on, of others only the kind counts.

A frame is judged at the zero that ends it, and everything is forgotten there, so nothing before a
frame can harm it. There is no time-out: what a host left unfinished ends with the zero that stands
before the next request.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.link.cobs import LAST_BYTE, CobsDecoder
from hw.link.crc import SerialCrc
from hw.link.payloads import Tally
from hw.link.protocol import CRC_BYTES, CRC_RESIDUE, HEADER_BYTES

__all__ = ["PacketReceiver"]


class _Part(enum.Enum, shape=2):
    HEADER = 0
    PAYLOAD = 1
    CHECK = 2
    WHOLE = 3


class PacketReceiver(wiring.Component):
    """See the module; a packet is in the buffer a cycle after its frame's end.

    Parameters
    ----------
    max_payload : bytes of the longest request's payload.

    Members
    -------
    i_valid, i_byte : In, a byte of the line; at least 10 cycles apart.
    line_error : In, strobe: a byte was lost on the line.
    write, data, full, commit, drop : to a `hw.link.buffer.PacketBuffer`; header and payload are
        written, without CRC.
    event, kind : Out, strobe: a frame was broken, and how (`Tally`).
    active : Out, part of a frame has come.
    """

    def __init__(self, max_payload: int):
        self.max_payload = max_payload
        super().__init__(
            {
                "i_valid": In(1),
                "i_byte": In(8),
                "line_error": In(1),
                "write": Out(1),
                "data": Out(LAST_BYTE),
                "full": In(1),
                "commit": Out(1),
                "drop": Out(1),
                "event": Out(1),
                "kind": Out(3),
                "active": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.crc = crc = SerialCrc()
        part = Signal(_Part)
        place = Signal(range(HEADER_BYTES))
        remaining = Signal(bits_for(self.max_payload))
        line, overflow, malformed = Signal(), Signal(), Signal()
        byte = decoder.o_byte
        m.d.comb += [
            decoder.i_valid.eq(self.i_valid),
            decoder.i_byte.eq(self.i_byte),
            crc.valid.eq(decoder.o_valid),
            crc.byte.eq(byte),
            crc.clear.eq(decoder.end),
            self.active.eq(~decoder.empty),
            self.write.eq(decoder.o_valid & ((part == _Part.HEADER) | (part == _Part.PAYLOAD))),
            self.data.byte.eq(byte),
        ]
        with m.If(self.line_error):
            m.d.sync += line.eq(1)
        with m.If(self.write & self.full):
            m.d.sync += overflow.eq(1)

        with m.If(decoder.o_valid):
            m.d.sync += place.eq(place + 1)
            with m.Switch(part):
                with m.Case(_Part.HEADER):
                    for number in range(3):
                        with m.If(place == 1 + number):
                            kept = remaining[8 * number : 8 * number + 8]
                            if len(kept):
                                m.d.sync += kept.eq(byte)
                            # A length that no request has.
                            with m.If(byte[len(kept) :].any()):
                                m.d.sync += malformed.eq(1)
                    with m.If(place == HEADER_BYTES - 1):
                        m.d.comb += self.data.last.eq(remaining == 0)
                        m.d.sync += part.eq(_Part.PAYLOAD)
                        with m.If(self.data.last):
                            m.d.sync += part.eq(_Part.CHECK)
                with m.Case(_Part.PAYLOAD):
                    m.d.sync += remaining.eq(remaining - 1)
                    m.d.comb += self.data.last.eq(remaining == 1)
                    with m.If(self.data.last):
                        m.d.sync += [part.eq(_Part.CHECK), place.eq(0)]
                with m.Case(_Part.CHECK):
                    with m.If(place == CRC_BYTES - 1):
                        m.d.sync += part.eq(_Part.WHOLE)
                with m.Case(_Part.WHOLE):
                    m.d.sync += malformed.eq(1)

        with m.If(decoder.end):
            m.d.sync += [
                part.eq(_Part.HEADER),
                place.eq(0),
                Cat(line, overflow, malformed).eq(0),
            ]
            with m.If(line):
                m.d.comb += [self.event.eq(1), self.kind.eq(Tally.LINE)]
            with m.Elif(decoder.empty):
                pass
            with m.Elif(overflow):
                m.d.comb += [self.event.eq(1), self.kind.eq(Tally.OVERFLOW)]
            with m.Elif(malformed | decoder.cut | (part != _Part.WHOLE)):
                m.d.comb += [self.event.eq(1), self.kind.eq(Tally.FRAME)]
            with m.Elif(crc.value != CRC_RESIDUE):
                m.d.comb += [self.event.eq(1), self.kind.eq(Tally.CHECK)]
            with m.Else():
                m.d.comb += self.commit.eq(1)
            m.d.comb += self.drop.eq(self.event)
        return m
