"""Serves the packets of the buffer one after the other: an image runs, the rest is answered."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.cobs import LAST_BYTE
from hw.link.payloads import Tally

__all__ = ["Dispatcher"]

LENGTH_PLACES = range(1, 4)  # of a packet's header


class Dispatcher(wiring.Component):
    """See the module. One image is in the engine at a time; the next ones wait in the buffer, since
    any line takes far longer to bring one than an engine takes to load it.

    Parameters
    ----------
    image_bytes : of an image.

    Members
    -------
    i : stream of `LAST_BYTE`, whole packets without CRC.
    o : stream of an image's bytes, to the engine. done : In, the engine has its result.
    start : Out, an image's bytes follow.
    reply : Out, a reply is wanted, until ``replied``, In, a strobe; ``request``, Out, its kind: a
        request's type or `ERROR`; ``refused``, Out, that packet's type; ``sequence``, Out.
    event, kind : Out, something to count (`Tally`), until ``counted``, In.
    """

    def __init__(self, image_bytes: int):
        self.image_bytes = image_bytes
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
        lengths = self.image_bytes.to_bytes(len(LENGTH_PLACES), "little")
        m.d.comb += [
            self.o.payload.eq(byte),
            self.kind.eq(Mux(self.request == protocol.IMAGE, Tally.IMAGES, Tally.REQUEST)),
        ]
        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += place.eq(place + 1)
                    for number, wanted in zip(LENGTH_PLACES, lengths, strict=True):
                        with m.If(place == number):
                            m.d.sync += [
                                of_image.eq(of_image & (byte == wanted)),
                                of_none.eq(of_none & (byte == 0)),
                            ]
                    with m.If(place == 0):
                        m.d.sync += [self.refused.eq(byte), of_image.eq(1), of_none.eq(1)]
                    with m.If(place > LENGTH_PLACES[-1]):
                        m.d.sync += self.sequence.eq(Cat(self.sequence[8:], byte))
                    with m.If(place == protocol.HEADER_BYTES - 1):
                        m.d.sync += self.request.eq(self.refused)
                        with m.If(image_next):
                            m.d.comb += self.start.eq(1)
                            m.next = "IMAGE"
                        with m.Elif(plain_next):
                            m.next = "REPLY"
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
