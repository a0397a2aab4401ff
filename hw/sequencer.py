"""Sequencer: takes the layers one after the other, image after image.

It holds the layer descriptor and says when a layer starts; loader and issuer then run by their
own counters. One layer::

    state    START   INIT    RUN ........................   DRAIN ....   START
             row is  start   loader and issuer work;         results      next
             loaded  strobe  ends with the last index word   come to rest layer

START waits for an image (first layer) and for the head to have given away its last result (last
layer); nothing else ever waits.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hw.descriptor import select_row
from hw.rom import rom
from hw.schedule import Timing

__all__ = ["Phase", "Sequencer"]


class Phase(enum.Enum, shape=3):
    """What the array does in a cycle."""

    IDLE = 0
    FILL = 1
    USEFUL = 2
    STALL = 3
    DRAIN = 4


class Sequencer(wiring.Component):
    """See the module.

    Parameters
    ----------
    layout, rows : the descriptor's layout and contents, from `hw.descriptor`.
    timing : the engine's.
    words, load : where the network can be loaded: the rows as a memory holds them, and the member
        ``contents``, from `hw.loading.port.ports`.

    Members
    -------
    full : In(2), halves of the input memory that hold an image; release : Out(2), strobes.
    half : Out, half that the running image lies in; given free by the first layer or, in a graph,
        by the descriptor's ``release``.
    head_ready : In, the head can take up another image.
    warming, issuing, last : In, what the issuer does.
    start : Out, strobe; layer and descriptor are valid with it and until the next START.
    finish : Out, strobe: the last layer's results have come to rest.
    phase : Out, what the current cycle counts as.
    """

    def __init__(
        self,
        layout: data.StructLayout,
        rows: list[dict[str, int]],
        timing: Timing,
        *,
        words: tuple[int, ...] = (),
        load: dict | None = None,
    ):
        self.rows = rows
        self.words = words
        self.timing = timing
        super().__init__(
            {
                "full": In(2),
                "release": Out(2),
                "half": Out(1),
                "head_ready": In(1),
                "warming": In(1),
                "issuing": In(1),
                "last": In(1),
                "start": Out(1),
                "layer": Out(range(max(len(rows), 2))),
                "descriptor": Out(layout),
                "finish": Out(1),
                "phase": Out(Phase),
                **(load or {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        is_first = self.layer == 0
        is_last = self.layer == len(self.rows) - 1
        take_up = select_row(self.descriptor, self.rows, self.layer)
        if self.words:
            layout = self.descriptor.shape()
            load = self.contents.descriptors
            row = rom(m, "descriptors", layout.size, self.words, self.layer, load, domain="comb")
            is_last = layout(row).last
            take_up = [self.descriptor.eq(layout(row))]
        fields, d = self.descriptor.shape().members, self.descriptor
        releases = d.release if "release" in fields else is_first
        # Longer where words of several planes wait to be written.
        longest = range(self.timing.drain)
        drain_end = longest[-1]
        if "drain_end" in fields:
            drain_end, longest = d.drain_end, len(d.drain_end)
        drained = Signal(longest)
        ready = (~is_first | self.full.bit_select(self.half, 1)) & (~is_last | self.head_ready)

        with m.FSM():
            with m.State("START"), m.If(ready):
                m.d.comb += self.phase.eq(Phase.FILL)
                m.d.sync += take_up
                m.next = "INIT"
            with m.State("INIT"):
                m.d.comb += [self.phase.eq(Phase.FILL), self.start.eq(1)]
                m.next = "RUN"
            with m.State("RUN"):
                working = Mux(self.issuing, Phase.USEFUL, Phase.STALL)
                m.d.comb += self.phase.eq(Mux(self.warming, Phase.FILL, working))
                with m.If(self.last):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.comb += self.phase.eq(Phase.DRAIN)
                m.d.sync += drained.eq(drained + 1)
                with m.If(drained == drain_end):
                    m.d.sync += [drained.eq(0), self.layer.eq(Mux(is_last, 0, self.layer + 1))]
                    m.d.comb += self.finish.eq(is_last)
                    with m.If(releases):
                        m.d.comb += self.release.eq(Cat(~self.half, self.half))
                    with m.If(is_last):
                        m.d.sync += self.half.eq(~self.half)
                    m.next = "START"
        return m
