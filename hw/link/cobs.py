"""Bytes without zeros, and a zero behind each frame: COBS, forwards in, backwards out.

See `hw.link.protocol` for both forms. Neither end stores a byte: a block's code comes before it in
requests, which the decoder needs, and behind it in replies, where the encoder knows it.
"""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LAST_BYTE", "CobsDecoder", "CobsEncoder"]

#: A byte, and whether it is its packet's last.
LAST_BYTE = data.StructLayout({"byte": 8, "last": 1})
FULL = 255  # the code of a block of 254 bytes, behind which no zero is meant


class CobsDecoder(wiring.Component):
    """Frames to packets; at most one byte out for each byte in, in the same cycle.

    Members
    -------
    i_valid, i_byte : In, a byte of the line. o_valid, o_byte : Out, a byte of the packet.
    end : Out, the frame has ended. empty, cut : Out, with ``end``: nothing was in it; its last
        block is not whole.
    """

    i_valid: In(1)
    i_byte: In(8)
    o_valid: Out(1)
    o_byte: Out(8)
    end: Out(1)
    empty: Out(1)
    cut: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        left = Signal(8)  # of a block
        first = Signal(init=1)
        full = Signal()
        is_code = left == 0
        m.d.comb += [
            self.o_byte.eq(Mux(is_code, 0, self.i_byte)),
            self.empty.eq(first),
            self.cut.eq(~is_code),
        ]
        with m.If(self.i_valid):
            m.d.sync += left.eq(Mux(is_code, self.i_byte, left) - 1)
            with m.If(self.i_byte == 0):
                m.d.comb += self.end.eq(1)
                m.d.sync += [left.eq(0), first.eq(1)]
            with m.Elif(is_code):
                m.d.comb += self.o_valid.eq(~first & ~full)
                m.d.sync += [first.eq(0), full.eq(self.i_byte == FULL)]
            with m.Else():
                m.d.comb += self.o_valid.eq(1)
        return m


class CobsEncoder(wiring.Component):
    """Packets to frames, each code behind its block; a byte a cycle but for codes and zeros.

    Members
    -------
    i : stream of `LAST_BYTE`. o : stream of bytes for the line.
    """

    i: In(stream.Signature(LAST_BYTE))
    o: Out(stream.Signature(unsigned(8)))

    def elaborate(self, platform) -> Module:
        m = Module()
        count = Signal(8, init=1)
        ended = Signal()
        byte = self.i.payload.byte
        with m.FSM():
            with m.State("BYTE"):
                m.d.comb += [
                    self.o.valid.eq(self.i.valid),
                    self.i.ready.eq(self.o.ready),
                    self.o.payload.eq(Mux(byte == 0, count, byte)),
                ]
                with m.If(self.i.valid & self.o.ready):
                    m.d.sync += [
                        count.eq(Mux(byte == 0, 1, count + 1)),
                        ended.eq(self.i.payload.last),
                    ]
                    with m.If((byte != 0) & (count == FULL - 1)):
                        m.next = "FULL"
                    with m.Elif(self.i.payload.last):
                        m.next = "CODE"
            with m.State("FULL"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(count)]
                with m.If(self.o.ready):
                    m.d.sync += count.eq(1)
                    m.next = "BYTE"
                    with m.If(ended):
                        m.next = "CODE"
            with m.State("CODE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(count)]
                with m.If(self.o.ready):
                    m.d.sync += count.eq(1)
                    m.next = "END"
            with m.State("END"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(0)]
                with m.If(self.o.ready):
                    m.next = "BYTE"
        return m
