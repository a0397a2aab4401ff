"""Keeps the network of a loadable board: writes its memories, and knows whether it is whole.

::

    payload of LOAD  -> writer ----.
    payload of CHECK -> expected   +-> memories -> read-back -> check sum
                           '-------------- = ? ----------------'   '--> loaded

Nothing is a network but what has been read back: there is one when the check sum of all that the
memories hold is the one that a request names, until the next request to load. So it is after
configuration, too: the first thing that a board does is to check what it was built with, since not
every router brings a memory's contents into the silicon. No reset makes a network of what is none.
"""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.link import protocol
from hw.link.read_back import ReadBack
from hw.link.writer import WordWriter
from hw.loading.port import ports
from hw.loading.slots import Slot, check_sum
from hw.rom import rom

__all__ = ["BUILT", "NetworkKeeper"]

#: The memory that holds the check sum of what the board was built with.
BUILT = "built_sum"

SUM_BITS = 32


class NetworkKeeper(wiring.Component):
    """See the module.

    Parameters
    ----------
    slots : the memories, in the order of their numbers, as the board is built.

    Members
    -------
    ready : Out, the memories have been read since configuration; nothing may start before.
    start : In, strobe: a payload follows; request, In, of a `LOAD` or a `CHECK`.
    valid, byte : In, a byte of the payload; last : In, with it, its last one.
    done : Out, strobe: the request has been carried out.
    loaded : Out, there is a network. written : Out, the address behind the last word written.
    checked : Out, the memories' check sum.
    contents : Out, the memories' ports.
    """

    def __init__(self, slots: Sequence[Slot]):
        self.slots = tuple(slots)
        members = ports(self.slots, *(slot.name for slot in self.slots))
        super().__init__(
            {
                "ready": Out(1),
                "start": In(1),
                "request": In(8),
                "valid": In(1),
                "byte": In(8),
                "last": In(1),
                "done": Out(1),
                "loaded": Out(1),
                "written": Out(8 * protocol.LOAD_ADDRESS_BYTES),
                "checked": Out(SUM_BITS),
                **{name: member.flip() for name, member in members.items()},
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.writer = writer = WordWriter(self.slots)
        m.submodules.read_back = read_back = ReadBack(self.slots)
        whole, checking = Signal(reset_less=True), Signal(init=1, reset_less=True)
        begun = Signal()  # since a reset
        built = rom(m, BUILT, SUM_BITS, (check_sum(self.slots),), 0)
        expected = Signal(SUM_BITS)
        loading = self.request == protocol.LOAD
        ended = self.valid & self.last
        written = Signal()  # the last byte's word
        m.d.sync += written.eq(ended & loading)
        m.d.comb += [
            writer.start.eq(self.start),
            writer.valid.eq(self.valid & loading),
            writer.byte.eq(self.byte),
            read_back.start.eq((ended & ~loading) | (checking & ~begun)),
            self.ready.eq(~checking),
            self.loaded.eq(whole),
            self.written.eq(writer.address),
            self.done.eq(written | (read_back.done & ~checking)),
        ]
        m.d.sync += begun.eq(1)
        with m.If(self.start & loading):
            m.d.sync += whole.eq(0)
        with m.If(self.valid & ~loading):
            m.d.sync += expected.eq(expected[8:])
            m.d.sync += expected[-8:].eq(self.byte)
        with m.If(read_back.done):
            m.d.sync += [
                self.checked.eq(read_back.value),
                whole.eq(read_back.value == Mux(checking, built, expected)),
                checking.eq(0),
            ]
        address = Signal.like(writer.address)
        m.d.comb += address.eq(Mux(read_back.read, read_back.address, writer.address))
        for number, slot in enumerate(self.slots):
            port = getattr(self.contents, slot.name)
            m.d.comb += [
                port.write.eq(writer.write & (writer.slot == number)),
                port.read.eq(read_back.read),
                port.address.eq(address),
                port.data.eq(writer.data[-8 * slot.word_bytes :]),
                port.place.eq(read_back.place),
                read_back.bytes[number].eq(port.byte),
            ]
        return m
