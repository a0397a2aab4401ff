"""The board's core: images come in over a serial line, classes and scores go out.

::

    rx -> receiver -> frames, CRC -> buffer -> dispatcher -> engine
    tx <- transmitter <- frames <- replies, CRC <----'----------'

The packets are those of `hw.link.protocol`. An image goes to the engine only when all of it has
come and its CRC was right, so nothing that happens on the line can disturb the engine, and nothing
here ever needs a reset. While the engine works, the next images come into the buffer.

Where the engine's memories can be written (`hw.loading`), a `hw.link.keeper.NetworkKeeper` beside
it does that; while there is no network, images are refused.
"""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect

from hw.link.buffer import PacketBuffer
from hw.link.cobs import CobsEncoder
from hw.link.dispatcher import Dispatcher
from hw.link.identity import SMALLEST_BUFFER, buffer_depth, describe
from hw.link.keeper import NetworkKeeper
from hw.link.payloads import Info
from hw.link.protocol import IMAGE, LOAD_BYTES
from hw.link.receiver import PacketReceiver
from hw.link.reply import WORD_BITS, ReplySender
from hw.link.tally import TallyCounters
from hw.loading.slots import ABOUT, board_slots
from hw.sequencer import Phase
from hw.uart import UartReceiver, UartTransmitter, bit_cycles
from model.errors import UserError

__all__ = ["BoardCore", "Status"]


class Status(data.Struct):
    """What the board shows on LEDs.

    image : part of a request has been received. busy : an image is in the engine, or a reply on its
    way. fault : a frame was broken since the reset.
    """

    image: unsigned(1)
    busy: unsigned(1)
    fault: unsigned(1)


class BoardCore(wiring.Component):
    """Serial line, engine, serial line; knows no board.

    Parameters
    ----------
    engine : an `hw.engine.Engine` with its indices on chip.
    clock_hz, baud : the clock of domain sync, the line's speed; see `hw.uart.bit_cycles`.
    info : what the board says about itself; of the engine's program when left out.
    smallest_buffer : bytes of the line's buffer at least (`hw.link.identity.buffer_depth`).

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
        clock_hz: float,
        baud: float,
        info: Info | None = None,
        smallest_buffer: int = SMALLEST_BUFFER,
    ):
        if "index" in engine.signature.members:
            raise UserError(
                "an engine with an index port cannot be built for a board: nothing there supplies "
                "the port; leave out index_port, which keeps the indices on chip"
            )
        if len(engine.i.payload) != 8:
            raise UserError(
                "this network has a stem, which the host computes and sends in 16-bit values: the "
                "serial line's protocol carries images of bytes only; simulation runs it, and so "
                "does a network whose first layer reads the pixels' bits"
            )
        self._divisor = bit_cycles(clock_hz, baud)
        self._engine = engine
        self._one_by_one = "scores" not in engine.o.payload.shape().members
        self.info = info or describe(engine.program, clock_hz, smallest_buffer)
        self._depth = buffer_depth(self.info.image_bytes, smallest_buffer)
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        image_bytes = self.info.image_bytes
        m.submodules.engine = engine = self._engine
        m.submodules.line_in = line_in = UartReceiver(self._divisor)
        m.submodules.line_out = line_out = UartTransmitter(self._divisor)
        loadable = self.info.loadable
        longest = max(image_bytes, LOAD_BYTES) if loadable else image_bytes
        m.submodules.receiver = receiver = PacketReceiver(longest)
        m.submodules.buffer = buffer = PacketBuffer(self._depth)
        m.submodules.dispatcher = dispatcher = Dispatcher(image_bytes, loadable=loadable)
        m.submodules.tally = tally = TallyCounters()
        m.submodules.sender = sender = ReplySender(engine.o.payload.shape(), self.info)
        m.submodules.encoder = encoder = CobsEncoder()
        connect(m, dispatcher.o, engine.i)
        connect(m, sender.o, encoder.i)
        connect(m, encoder.o, line_out.i)
        m.d.comb += [
            line_in.rx.eq(self.rx),
            self.tx.eq(line_out.tx),
            line_in.o.ready.eq(1),
            receiver.i_valid.eq(line_in.o.valid),
            receiver.i_byte.eq(line_in.o.payload),
            receiver.line_error.eq(line_in.framing_error),
            buffer.write.eq(receiver.write),
            buffer.data.eq(receiver.data),
            receiver.full.eq(buffer.full),
            buffer.commit.eq(receiver.commit),
            buffer.drop.eq(receiver.drop),
            # What the line brings cannot wait, the dispatcher can.
            tally.event.eq(receiver.event | dispatcher.event),
            tally.kind.eq(Mux(receiver.event, receiver.kind, dispatcher.kind)),
            dispatcher.counted.eq(~receiver.event),
            dispatcher.done.eq(engine.o.valid),
            dispatcher.replied.eq(sender.done),
            engine.o.ready.eq(
                sender.take if self._one_by_one else sender.done & (dispatcher.request == IMAGE)
            ),
            sender.go.eq(dispatcher.reply),
            sender.request.eq(dispatcher.request),
            sender.sequence.eq(dispatcher.sequence),
            sender.refused.eq(dispatcher.refused),
            sender.result.eq(engine.o.payload),
            sender.cycles.eq(self._cycles(m, engine, dispatcher.start)),
            sender.value.eq(tally.value),
            sender.busy.eq(tally.busy),
            tally.number.eq(sender.number),
        ]
        if loadable:
            keeper = self._keep(m, engine, dispatcher, sender)
            m.d.comb += [
                dispatcher.i.payload.eq(buffer.o.payload),
                dispatcher.i.valid.eq(buffer.o.valid & keeper.ready),
                buffer.o.ready.eq(dispatcher.i.ready & keeper.ready),
            ]
        else:
            connect(m, buffer.o, dispatcher.i)
        running = Signal()
        with m.If(sender.done):
            m.d.sync += running.eq(0)
        with m.If(dispatcher.start):
            m.d.sync += running.eq(1)
        m.d.sync += self.status.fault.eq(self.status.fault | receiver.event)
        m.d.comb += [
            self.status.image.eq(receiver.active),
            self.status.busy.eq(running | dispatcher.reply),
        ]
        return m

    def _keep(
        self, m: Module, engine: wiring.Component, dispatcher: Dispatcher, sender: ReplySender
    ) -> NetworkKeeper:
        """The way of a network's words into the memories, and back as a check sum."""
        slots = board_slots(engine.program, self.info)
        m.submodules.keeper = keeper = NetworkKeeper(slots)
        for slot in slots:
            holder = sender if slot.name == ABOUT else engine
            connect(m, getattr(keeper.contents, slot.name), getattr(holder.contents, slot.name))
        m.d.comb += [
            keeper.start.eq(dispatcher.load_start),
            keeper.request.eq(dispatcher.refused),
            keeper.valid.eq(dispatcher.load_valid),
            keeper.byte.eq(dispatcher.load_byte),
            keeper.last.eq(dispatcher.load_last),
            dispatcher.load_done.eq(keeper.done),
            dispatcher.loaded.eq(keeper.loaded),
            sender.loaded.eq(keeper.loaded),
            sender.written.eq(keeper.written),
            sender.checked.eq(keeper.checked),
        ]
        return keeper

    def _cycles(self, m: Module, engine: wiring.Component, start: Signal) -> Signal:
        """Cycles that the engine has worked on the image: what `hw.cycles` predicts."""
        cycles = Signal(WORD_BITS)
        working = (engine.probe.phase != Phase.IDLE) | engine.probe.head_busy
        # Scores that come one by one take the line's time. Predicted is a cycle for each: these are
        # counted beforehand, since the reply says the cycles before the scores.
        if self._one_by_one:
            working &= ~engine.o.valid
        with m.If(working):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(start):
            m.d.sync += cycles.eq(self.info.classes if self._one_by_one else 0)
        return cycles
