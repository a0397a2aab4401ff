"""Gearbox: words of the index port, BITS wide, to index words, W wide, without a bit lost.

The stream's bits come lowest first, and index words follow each other without gaps. New bits
enter a shift register at its top, so taking them is wiring; the oldest bits lie ``held`` below
the top, and reading them is one multiplexer of ``BITS / gcd(BITS, W)`` places: none at all where
BITS divides W. For ports of 32 bits and words of 80::

    cycle      0     1     2     3     4     5     6
    takes      32    32    32    32    32    32    32   ...
    held       0     32    64    96    48    80    32
    gives                        word        word
"""

from math import gcd

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Gearbox"]


class Gearbox(wiring.Component):
    """See the module.

    A port word is taken where less than one index word will be left, so never more than
    ``W + BITS - gcd`` bits are held, and words leave at the port's full pace: one in every cycle
    where ``BITS >= W``. A bit can leave one cycle after it came.

    Parameters
    ----------
    port_bits, word_bits : BITS and W, at least 1.

    Members
    -------
    clear : In, strobe: forget what is held.
    i : stream of BITS; ``i.ready`` depends on ``o.ready``, never on ``i.valid``.
    o : stream of W bits.
    """

    def __init__(self, port_bits: int, word_bits: int):
        self.port_bits = port_bits
        self.word_bits = word_bits
        super().__init__(
            {
                "clear": In(1),
                "i": In(stream.Signature(port_bits)),
                "o": Out(stream.Signature(word_bits)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        port, word = self.port_bits, self.word_bits
        unit = gcd(port, word)
        most = word + port - unit
        bits = Signal(most)
        # Counted in units: no more than so many places can be told apart.
        held = Signal(range(most // unit + 1))
        left = Signal.like(held)
        given = Signal()
        m.d.comb += [
            self.o.valid.eq(held >= word // unit),
            given.eq(self.o.valid & self.o.ready),
            left.eq(Mux(given, held - word // unit, held)),
            self.i.ready.eq(left < word // unit),
        ]
        # A word begins `held` below the top; place n stands for n units more than one word.
        places = [bits[most - word - n * unit :][:word] for n in range(port // unit)]
        place = Signal(range(max(len(places), 2)))
        m.d.comb += [
            place.eq(held - word // unit),
            self.o.payload.eq(Array(places)[place] if len(places) > 1 else places[0]),
        ]
        m.d.sync += held.eq(left)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [bits.eq(Cat(bits, self.i.payload)[port:]), held.eq(left + port // unit)]
        with m.If(self.clear):
            m.d.sync += held.eq(0)
        return m
