"""Replies, word by word: header, sequence number, body, CRC; each word's lowest byte first.

Nothing is stored here: a result stays in the engine until its last byte has gone.
"""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.cobs import LAST_BYTE
from hw.link.crc import SerialCrc
from hw.link.protocol import WORD_BYTES, reply_words
from hw.rom import rom

__all__ = ["ReplySender"]

WORD_BITS = 8 * WORD_BYTES
KINDS = (protocol.INFO, protocol.IMAGE, protocol.COUNTERS, protocol.ERROR)


class _Part(enum.Enum, shape=2):
    HEADER = 0
    SEQUENCE = 1
    BODY = 2
    CHECK = 3


class ReplySender(wiring.Component):
    """See the module; at most a dozen cycles a byte, where the line takes 40.

    Parameters
    ----------
    result : layout of a result, fields ``label`` and ``scores``.
    info : the words of the reply to `INFO`.

    Members
    -------
    go : In, hold until ``done``, Out, a strobe. request : In, a request's type or `ERROR`.
    sequence, cycles, refused, result : In, what is sent, held too.
    number : Out, value, busy : In: the counters, `hw.link.tally`.
    o : stream of `LAST_BYTE`.
    """

    def __init__(self, result: data.StructLayout, info: tuple[int, ...]):
        self._result = result
        self._info = info
        scores = result["scores"].shape
        self._classes = scores.length
        if scores.elem_shape.width > WORD_BITS:
            raise ValueError(
                f"scores of {scores.elem_shape.width} bits do not fit {WORD_BYTES} bytes of a reply"
            )
        super().__init__(
            {
                "go": In(1),
                "done": Out(1),
                "request": In(8),
                "sequence": In(WORD_BITS),
                "cycles": In(WORD_BITS),
                "refused": In(8),
                "result": In(result),
                "number": Out(3),
                "value": In(WORD_BITS),
                "busy": In(1),
                "o": Out(stream.Signature(LAST_BYTE)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc()
        words = {kind: reply_words(kind, self._classes) for kind in KINDS}
        part = Signal(_Part)
        number = Signal(range(max(words.values())))
        place = Signal(range(WORD_BYTES))
        header, body, word = Signal(WORD_BITS), Signal(WORD_BITS), Signal(WORD_BITS)
        last_number = Signal.like(number)
        info = rom(m, "info", WORD_BITS, self._info, number)
        scores = [self.result.scores[n] for n in range(self._classes)]
        with m.Switch(self.request):
            for kind, source in (
                (protocol.INFO, info),
                (protocol.IMAGE, Array([self.cycles, self.result.label, *scores])[number]),
                (
                    protocol.COUNTERS,
                    Mux(number == words[protocol.COUNTERS] - 1, self.cycles, self.value),
                ),
                (protocol.ERROR, self.refused),
            ):
                with m.Case(kind):
                    m.d.comb += [
                        header.eq(kind | protocol.REPLY | WORD_BYTES * words[kind] << 8),
                        body.eq(source),
                        last_number.eq(words[kind] - 1),
                    ]
        with m.Switch(part):
            for which, source in (
                (_Part.HEADER, header),
                (_Part.SEQUENCE, self.sequence),
                (_Part.BODY, body),
                (_Part.CHECK, ~crc.value),
            ):
                with m.Case(which):
                    m.d.comb += word.eq(source)
        last_byte = place == WORD_BYTES - 1
        m.d.comb += [
            self.number.eq(number),
            crc.byte.eq(word.word_select(place, 8)),
            crc.clear.eq(self.done),
        ]
        with m.FSM(init="TAKE"):
            # The ROM's word is there a cycle after its number.
            with m.State("FETCH"):
                m.next = "TAKE"
            with m.State("TAKE"):
                with m.If(self.go & ~crc.busy & ~self.busy):
                    m.d.comb += crc.valid.eq(part != _Part.CHECK)
                    m.d.sync += [
                        self.o.payload.byte.eq(crc.byte),
                        self.o.payload.last.eq((part == _Part.CHECK) & last_byte),
                        self.o.valid.eq(1),
                    ]
                    m.next = "SEND"
            with m.State("SEND"):
                with m.If(self.o.ready):
                    m.d.sync += [self.o.valid.eq(0), place.eq(place + 1)]
                    m.next = "FETCH"
                    with m.If(last_byte):
                        with m.Switch(part):
                            with m.Case(_Part.HEADER):
                                m.d.sync += part.eq(_Part.SEQUENCE)
                            with m.Case(_Part.SEQUENCE):
                                m.d.sync += part.eq(_Part.BODY)
                            with m.Case(_Part.BODY):
                                m.d.sync += number.eq(number + 1)
                                with m.If(number == last_number):
                                    m.d.sync += [number.eq(0), part.eq(_Part.CHECK)]
                            with m.Case(_Part.CHECK):
                                m.d.comb += self.done.eq(1)
                                m.d.sync += part.eq(_Part.HEADER)
        return m
