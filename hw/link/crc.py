"""CRC-32 a bit at a time: a byte of a serial line takes at least 39 cycles, so 8 are at hand."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.link.protocol import CRC_POLYNOMIAL

__all__ = ["SerialCrc"]

BITS = 32


class SerialCrc(wiring.Component):
    """CRC-32 (ISO-HDLC) of bytes that come at least 9 cycles apart.

    Members
    -------
    clear : In, strobe: forget what came before. valid, byte : In, a byte to add.
    busy : Out, the byte's bits are being added: from the cycle after ``valid``, for 8.
    value : Out(32), the register: the complement of the CRC of the bytes since ``clear``.
    """

    clear: In(1)
    valid: In(1)
    byte: In(8)
    busy: Out(1)
    value: Out(BITS, init=(1 << BITS) - 1)

    def elaborate(self, platform) -> Module:
        m = Module()
        # A one behind the last bit says when all have gone.
        bits = Signal(9)
        m.d.comb += self.busy.eq(bits[1:].any())
        with m.If(self.busy):
            feedback = Mux(self.value[0] ^ bits[0], CRC_POLYNOMIAL, 0)
            m.d.sync += [self.value.eq((self.value >> 1) ^ feedback), bits.eq(bits >> 1)]
        with m.If(self.valid):
            m.d.sync += bits.eq(self.byte | 1 << 8)
        with m.If(self.clear):
            m.d.sync += self.value.eq(self.value.init)
        return m
