"""Serves the packets of the buffer one after the other: an image runs, what loads a network is
passed on, the rest is answered."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.cobs import LAST_BYTE
from hw.link.payloads import Tally
from hw.link.protocol import CHECK_BYTES

__all__ = ["Dispatcher"]

LENGTH_PLACES = range(1, 4)  # of a packet's header
CHECK_LENGTH = CHECK_BYTES.to_bytes(len(LENGTH_PLACES), "little")


class Dispatcher(wiring.Component):
    """See the module. One image is in the engine at a time; the next ones wait in the buffer, since
    any line takes far longer to bring one than an engine takes to load it.

    Parameters
    ----------
    image_bytes : of an image. loadable : the board's network can be loaded.

    Members
    -------
    i : stream of `LAST_BYTE`, whole packets without CRC.
    o : stream of an image's bytes, to the engine. done : In, the engine has its result.
    start : Out, an image's bytes follow.
    reply : Out, a reply is wanted, until ``replied``, In, a strobe; ``request``, Out, its kind: a
        request's type or `ERROR`; ``refused``, Out, that packet's type; ``sequence``, Out.
    event, kind : Out, something to count (`Tally`), until ``counted``, In.
    load_start, load_valid, load_byte, load_last : Out, the payload of a `LOAD` or `CHECK`, see
        `hw.link.keeper`; load_done : In, it has been dealt with. loaded : In, there is a network:
        else images are refused. Only where it is loadable.
    """

    def __init__(self, image_bytes: int, *, loadable: bool = False):
        self.image_bytes = image_bytes
        self.loadable = loadable
        loading = {
            "load_start": Out(1),
            "load_valid": Out(1),
            "load_byte": Out(8),
            "load_last": Out(1),
            "load_done": In(1),
            "loaded": In(1),
        }
        super().__init__(
            {
                "i": In(stream.Signature(LAST_BYTE)),
                "o": Out(stream.Signature(unsigned(8))),
                "done": In(1),
                "start": Out(1),
                "reply": Out(1),
                "replied": In(1),
                "request": Out(8),
                "refused": Out(8),
                "sequence": Out(32),
                "event": Out(1),
                "kind": Out(3),
                "counted": In(1),
                **(loading if loadable else {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        place = Signal(range(protocol.HEADER_BYTES))
        # Whether the length is an image's, or none at all.
        of_image, of_none = Signal(init=1), Signal(init=1)
        image_next = (self.refused == protocol.IMAGE) & of_image
        plain_next = of_none & (
            (self.refused == protocol.INFO) | (self.refused == protocol.COUNTERS)
        )
        byte, last = self.i.payload.byte, self.i.payload.last
        of_check = Signal(init=1)
        load_next = Const(0)
        if self.loadable:
            image_next &= self.loaded
            load_next = ~of_none & (self.refused == protocol.LOAD)
            load_next |= of_check & (self.refused == protocol.CHECK)
        lengths = self.image_bytes.to_bytes(len(LENGTH_PLACES), "little")
        m.d.comb += [
            self.o.payload.eq(byte),
            self.kind.eq(Mux(self.request == protocol.IMAGE, Tally.IMAGES, Tally.REQUEST)),
        ]
        with m.FSM(init="HEADER") as states:
            if self.loadable:
                m.d.comb += [self.load_byte.eq(byte), self.load_last.eq(last)]
                m.d.comb += self.load_valid.eq(states.ongoing("LOAD") & self.i.valid)
                self._load(m, last)
            with m.State("HEADER"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += place.eq(place + 1)
                    for number, wanted, check in zip(
                        LENGTH_PLACES, lengths, CHECK_LENGTH, strict=True
                    ):
                        with m.If(place == number):
                            if self.loadable:
                                m.d.sync += of_check.eq(of_check & (byte == check))
                            m.d.sync += [
                                of_image.eq(of_image & (byte == wanted)),
                                of_none.eq(of_none & (byte == 0)),
                            ]
                    with m.If(place == 0):
                        m.d.sync += [self.refused.eq(byte), of_image.eq(1), of_none.eq(1)]
                        m.d.sync += of_check.eq(1)
                    with m.If(place > LENGTH_PLACES[-1]):
                        m.d.sync += self.sequence.eq(Cat(self.sequence[8:], byte))
                    with m.If(place == protocol.HEADER_BYTES - 1):
                        m.d.sync += self.request.eq(self.refused)
                        with m.If(image_next):
                            m.d.comb += self.start.eq(1)
                            m.next = "IMAGE"
                        with m.Elif(plain_next):
                            m.next = "REPLY"
                        with m.Elif(load_next):
                            if self.loadable:
                                m.d.comb += self.load_start.eq(1)
                                m.next = "LOAD"
                        with m.Else():
                            m.d.sync += self.request.eq(protocol.ERROR)
                            m.next = "SKIP"
                            with m.If(last):
                                m.next = "COUNT"
            with m.State("IMAGE"):
                m.d.comb += [self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
                with m.If(self.i.valid & self.i.ready & last):
                    m.next = "WAIT"
            with m.State("WAIT"):
                with m.If(self.done):
                    m.next = "COUNT"
            with m.State("SKIP"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & last):
                    m.next = "COUNT"
            with m.State("COUNT"):
                m.d.comb += self.event.eq(1)
                with m.If(self.counted):
                    m.next = "REPLY"
            with m.State("REPLY"):
                m.d.comb += self.reply.eq(1)
                with m.If(self.replied):
                    m.next = "HEADER"
        return m

    def _load(self, m: Module, last: Value) -> None:
        """The states that pass a payload on and wait until it has been dealt with."""
        with m.State("LOAD"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid & last):
                m.next = "LOADING"
        with m.State("LOADING"), m.If(self.load_done):
            m.next = "REPLY"
