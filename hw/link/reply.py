"""Replies, byte by byte: header, sequence number, body, CRC, each in words, lowest byte first.

Nothing is stored here: a result stays in the engine until its last byte has gone.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.cobs import LAST_BYTE
from hw.link.crc import SerialCrc
from hw.link.payloads import NETWORK_WORDS, WORD_BYTES, Info, reply_words
from hw.loading.port import ports
from hw.loading.slots import ABOUT, info_slot
from hw.rom import rom

__all__ = ["ReplySender"]

WORD_BITS = 8 * WORD_BYTES
KINDS = (protocol.INFO, protocol.IMAGE, protocol.COUNTERS, protocol.ERROR)
LOADING = (protocol.LOAD, protocol.CHECK)


class _Part(enum.Enum, shape=2):
    HEADER = 0
    SEQUENCE = 1
    BODY = 2
    CHECK = 3


class ReplySender(wiring.Component):
    """See the module; at most a dozen cycles a byte, where the line takes 40.

    Parameters
    ----------
    result : layout of a result, fields ``label`` and ``scores``; or of one score of several,
        ``label``, ``score`` and ``last`` (`hw.heads.dense.score_layout`).
    info : the reply to `INFO`. Where the network is loadable, these members are there, too:
        contents, the port of the memory of that (`hw.loading.port`); loaded, In, there is a
        network; written, In, the address behind the last word; checked, In, the memories' check
        sum.

    Members
    -------
    go : In, hold until ``done``, Out, a strobe. request : In, a request's type or `ERROR`.
    sequence, cycles, refused, result : In, what is sent, held too.
    take : Out, strobe: the result's score has been sent, the next one may take its place (in use
        where scores come one by one; 2 cycles later it must be there).
    number : Out, value, busy : In: the counters, `hw.link.tally`.
    o : stream of `LAST_BYTE`.
    """

    def __init__(self, result: data.StructLayout, info: Info):
        self._result = result
        self._info = info.pack()
        self._loadable = info.loadable
        loading = {"loaded": In(1), "written": In(WORD_BITS), "checked": In(WORD_BITS)}
        self._classes = info.classes
        self._one_by_one = "score" in result.members
        shape = result["score"].shape if self._one_by_one else result["scores"].shape.elem_shape
        if shape.width > WORD_BITS:
            raise ValueError(
                f"scores of {shape.width} bits do not fit {WORD_BYTES} bytes of a reply"
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
                "take": Out(1),
                "number": Out(3),
                "value": In(WORD_BITS),
                "busy": In(1),
                "o": Out(stream.Signature(LAST_BYTE)),
                **(loading | ports([info_slot(info)], ABOUT) if info.loadable else {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.crc = crc = SerialCrc()
        kinds = KINDS + LOADING if self._loadable else KINDS
        words = {kind: reply_words(kind, self._classes) for kind in kinds}
        part = Signal(_Part)
        number = Signal(range(max(words.values())))
        place = Signal(range(WORD_BYTES))
        last_number = Signal.like(number)
        header, score = Signal(WORD_BITS), Signal(signed(WORD_BITS))
        label = Signal(WORD_BITS)
        cycles, body, byte = Signal(8), Signal(8), Signal(8)

        def at_place(word: Value) -> Value:
            return word.word_select(place, 8)

        # Bytes are chosen before sources, and scores in their own width: multiplexers are most of
        # what this takes.
        info = self._info_byte(m, Cat(place, number), number)
        why, loading = 0, ()
        if self._loadable:
            why = Mux(place == 1, ~self.loaded & (self.refused == protocol.IMAGE), 0)
            checked = Mux(number[0], Mux(place == 0, self.loaded, 0), at_place(self.checked))
            sources = at_place(self.written), checked
            loading = zip(LOADING, sources, strict=True)
        m.d.comb += [
            score.eq(self._score(m, number)),
            label.eq(self.result.label),
            cycles.eq(at_place(self.cycles)),
        ]
        with m.Switch(self.request):
            for kind, source in (
                (protocol.INFO, info),
                (protocol.IMAGE, at_place(score)),
                (protocol.COUNTERS, at_place(self.value)),
                (protocol.ERROR, Mux(place == 0, self.refused, why)),
                *loading,
            ):
                with m.Case(kind):
                    m.d.comb += [
                        header.eq(kind | protocol.REPLY | WORD_BYTES * words[kind] << 8),
                        last_number.eq(words[kind] - 1),
                        body.eq(source),
                    ]
                    if kind == protocol.IMAGE:
                        with m.If(number == 0):
                            m.d.comb += body.eq(cycles)
                        with m.If(number == 1):
                            m.d.comb += body.eq(at_place(label))
                    if kind == protocol.COUNTERS:
                        with m.If(number == words[kind] - 1):
                            m.d.comb += body.eq(cycles)
        with m.Switch(part):
            for which, source in (
                (_Part.HEADER, at_place(header)),
                (_Part.SEQUENCE, at_place(self.sequence)),
                (_Part.BODY, body),
                (_Part.CHECK, ~at_place(crc.value)),
            ):
                with m.Case(which):
                    m.d.comb += byte.eq(source)
        last_byte = place == WORD_BYTES - 1
        m.d.comb += [
            self.number.eq(number),
            crc.byte.eq(byte),
            crc.clear.eq(self.done),
        ]
        with m.FSM(init="TAKE"):
            # The ROM's byte is there a cycle after its place.
            with m.State("FETCH"):
                m.next = "TAKE"
            with m.State("TAKE"):
                with m.If(self.go & ~crc.busy & ~self.busy):
                    m.d.comb += crc.valid.eq(part != _Part.CHECK)
                    m.d.sync += [
                        self.o.payload.byte.eq(byte),
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
                                of_scores = (self.request == protocol.IMAGE) & (number >= 2)
                                m.d.comb += self.take.eq(of_scores)
                                m.d.sync += number.eq(number + 1)
                                with m.If(number == last_number):
                                    m.d.sync += [number.eq(0), part.eq(_Part.CHECK)]
                            with m.Case(_Part.CHECK):
                                m.d.comb += self.done.eq(1)
                                m.d.sync += part.eq(_Part.HEADER)
        return m

    def _score(self, m: Module, number: Signal) -> Value:
        """The score in a result's word of this number, in its own width."""
        if self._one_by_one:
            return self.result.score
        scores = [self.result.scores[n] for n in range(self._classes)]
        chosen = Signal(scores[0].shape())
        m.d.comb += chosen.eq(_select([scores[0], scores[0], *scores], number))
        return chosen
    def _info_byte(self, m: Module, place: Value, number: Value) -> Value:
        """A byte of what the board says about itself: no network where there is none."""
        address = place[: (len(self._info) - 1).bit_length()]
        byte = rom(m, "info", 8, tuple(self._info), address)
        if not self._loadable:
            return byte
        loaded = rom(m, ABOUT, 8, tuple(self._info), address, self.contents.about)
        of_network = Cat(number == word for word in NETWORK_WORDS).any()
        return Mux(of_network, Mux(self.loaded, loaded, 0), byte)


def _select(items: list[Value], number: Signal) -> Value:
    """``items[number]`` as a tree by the number's bits: half of what Yosys makes of an `Array`."""
    for bit in number:
        pairs = range(0, len(items) - 1, 2)
        odd = items[-1:] if len(items) % 2 else []
        items = [Mux(bit, items[n + 1], items[n]) for n in pairs] + odd
    return items[0]
