"""The board's core: images come in over a serial line, classes and scores go out.

Protocol version 0 (no framing and no check sum yet; both come with a host library):

- in: an image's bytes, nothing else: colours, then rows, then columns.
- out: one byte class, then every class's score as 4 bytes, little-endian, signed.
- The host keeps at most `FIFO_BYTES` bytes ahead of the replies it has received.
- A byte that the line lost leaves an image that never becomes complete. After ``idle_seconds``
  of silence in the middle of an image the core forgets that image: the engine and the bytes that
  wait for it are reset, and the next byte starts a new image. So a host that has had no reply
  waits that long, then sends the image again.
"""

from amaranth.hdl import Cat, Module, ResetInserter, Signal, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from hw.uart import UartReceiver, UartTransmitter, bit_cycles
from model.errors import UserError

__all__ = ["FIFO_BYTES", "SCORE_BYTES", "BoardCore", "ReplySender", "Status", "reply_bytes"]

FIFO_BYTES = 2048  # One RAMB18 or DP16KD in its 9-bit form.
SCORE_BYTES = 4
BITS_PER_BYTE = 10


def reply_bytes(classes: int) -> int:
    """Bytes of one reply."""
    return 1 + SCORE_BYTES * classes


class Status(data.Struct):
    """What the board shows on LEDs.

    image : part of an image has been received. busy : a reply is on its way.
    fault : bytes were lost or an image was given up since the reset.
    """

    image: unsigned(1)
    busy: unsigned(1)
    fault: unsigned(1)


class ReplySender(wiring.Component):
    """Results to bytes: the class, then the scores, sign-extended to 4 bytes, lowest byte first.

    The result stays in the engine until its last byte has gone, so nothing is stored here.

    Parameters
    ----------
    result : layout of a result, fields ``label`` and ``scores``.
    """

    def __init__(self, result: data.StructLayout):
        scores = result["scores"].shape
        self._classes = scores.length
        self._score_bits = scores.elem_shape.width
        if self._score_bits > 8 * SCORE_BYTES:
            raise ValueError(
                f"scores of {self._score_bits} bits do not fit {SCORE_BYTES} bytes of a reply"
            )
        super().__init__(
            {"i": In(stream.Signature(result)), "o": Out(stream.Signature(unsigned(8)))}
        )

    def elaborate(self, platform):
        m = Module()
        length = reply_bytes(self._classes)
        place = Signal(range(length))
        in_score = Signal(range(SCORE_BYTES))
        score_number = Signal(range(self._classes))
        scores = self.i.payload.scores
        score = Signal(scores.shape().elem_shape)
        word = Signal(8 * SCORE_BYTES)
        last = Signal()
        m.d.comb += [
            score.eq(scores[score_number]),
            word.eq(score),
            last.eq(place == length - 1),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & last),
            self.o.payload.eq(word.word_select(in_score, 8)),
        ]
        with m.If(place == 0):
            m.d.comb += self.o.payload.eq(self.i.payload.label)

        with m.If(self.o.valid & self.o.ready):
            m.d.sync += place.eq(place + 1)
            with m.If(place != 0):
                m.d.sync += in_score.eq(in_score + 1)
                with m.If(in_score == SCORE_BYTES - 1):
                    m.d.sync += score_number.eq(score_number + 1)
            with m.If(last):
                m.d.sync += [place.eq(0), in_score.eq(0), score_number.eq(0)]
        return m


class BoardCore(wiring.Component):
    """Serial line, engine, serial line; knows no board.

    Parameters
    ----------
    engine : component with ``i``, a stream of an image's bytes, and ``o``, a stream of results.
    image_bytes : bytes of one image.
    clock_hz, baud : the clock of domain sync, the line's speed; see `hw.uart.bit_cycles`.
    idle_seconds : silence in the middle of an image after which the image is given up.

    Members
    -------
    rx, tx : the pins. status : see `Status`.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    status: Out(Status)

    def __init__(
        self,
        engine: wiring.Component,
        *,
        image_bytes: int,
        clock_hz: float,
        baud: float,
        idle_seconds: float = 0.1,
    ):
        if "index" in engine.signature.members:
            raise UserError(
                "an engine with an index port cannot be built for a board: nothing there supplies "
                "the port; leave out index_port, which keeps the indices on chip"
            )
        if len(engine.i.payload) != 8 or "scores" not in engine.o.payload.shape().members:
            raise UserError(
                "this network has a stem, or a head on streams, on flattened maps or of more than "
                "256 classes: the serial line's protocol has no form for these yet, only "
                "simulation runs them"
            )
        if image_bytes < 1:
            raise ValueError(f"an image must have at least 1 byte, not {image_bytes}")
        self._divisor = bit_cycles(clock_hz, baud)
        if idle_seconds * baud < 2 * BITS_PER_BYTE:
            raise ValueError(
                f"an idle time of {idle_seconds:g} s is under two bytes at {baud:.0f} baud: "
                f"at least {2 * BITS_PER_BYTE / baud:g} s"
            )
        self._engine = engine
        self._image_bytes = image_bytes
        self.idle_cycles = round(idle_seconds * clock_hz)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        give_up = Signal()
        m.submodules.receiver = receiver = UartReceiver(self._divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self._divisor)
        queue = fifo.SyncFIFOBuffered(width=8, depth=FIFO_BYTES)
        m.submodules.queue = ResetInserter(give_up)(queue)
        engine = self._engine
        m.submodules.engine = ResetInserter(give_up)(engine)
        result = engine.o.payload.shape()
        m.submodules.sender = sender = ReplySender(result)
        connect(m, sender.o, transmitter.i)
        connect(m, queue.r_stream, engine.i)

        accepted = Signal()
        lost = Signal()
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            # The queue takes a byte at once or loses it: the line cannot wait.
            receiver.o.ready.eq(1),
            queue.w_data.eq(receiver.o.payload),
            queue.w_en.eq(receiver.o.valid),
            accepted.eq(receiver.o.valid & queue.w_rdy),
            lost.eq(receiver.framing_error | (receiver.o.valid & ~queue.w_rdy) | give_up),
            # A result that appears in the very cycle of a reset must not start a reply.
            sender.i.payload.eq(engine.o.payload),
            sender.i.valid.eq(engine.o.valid & ~give_up),
            engine.o.ready.eq(sender.i.ready),
        ]

        received = Signal(range(self._image_bytes))
        idle = Signal(range(self.idle_cycles))
        m.d.sync += [idle.eq(idle + 1), give_up.eq(0)]
        with m.If(accepted):
            m.d.sync += received.eq(received + 1)
            with m.If(received == self._image_bytes - 1):
                m.d.sync += received.eq(0)
        # A reply on its way is no silence: the image before this one is not to be lost.
        with m.If(receiver.o.valid | (received == 0) | engine.o.valid):
            m.d.sync += idle.eq(0)
        with m.Elif(idle == self.idle_cycles - 1):
            m.d.sync += [give_up.eq(1), received.eq(0), idle.eq(0)]

        m.d.sync += self.status.fault.eq(self.status.fault | lost)
        m.d.comb += [
            self.status.image.eq(received != 0),
            self.status.busy.eq(Cat(engine.o.valid, ~transmitter.i.ready).any()),
        ]
        return m
