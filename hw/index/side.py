"""The way of the indices from the engine's port to the array, where they do not fit on chip.

::

    index port -> gearbox -> index buffer -> array
    BITS a cycle             words kept for the layer's other tiles

What supplies the port knows nothing of layers: it sends `hw.index.stream.index_stream`, image
after image. The stream of one image is taken from its first layer's start on and never further,
so that each image finds the same: its cycles do not depend on when the one before it ended.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.descriptor import descriptor_layout
from hw.engine_program import Program
from hw.index.buffer import IndexBuffer
from hw.index.gearbox import Gearbox
from hw.index.stream import port_words

__all__ = ["IndexSide"]


class IndexSide(wiring.Component):
    """See the module.

    Members
    -------
    i : stream, the index port.
    start : In, strobe: an image's first layer starts.
    awake : In, the engine works on an image. Elsewhere it waits for pixels or for its result to
        be taken; then nothing moves here, so that such waiting changes no layer's cycles.
    descriptor, want, last, go, word : see `hw.index.buffer`.
    """

    def __init__(self, program: Program):
        self.program = program
        layout = descriptor_layout(program)
        super().__init__(
            {
                "i": In(stream.Signature(program.index_port.bits)),
                "start": In(1),
                "awake": In(1),
                "descriptor": In(layout),
                "want": In(1),
                "last": In(1),
                "go": Out(1),
                "word": Out(program.parameters.index_bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        port, word_bits = self.program.index_port, self.program.parameters.index_bits
        m.submodules.gearbox = gearbox = Gearbox(port.bits, word_bits)
        m.submodules.buffer = buffer = IndexBuffer(self.descriptor.shape(), port, word_bits)
        words = port_words(self.program)
        left = Signal(range(words + 1))
        open_ = Signal()
        m.d.comb += [
            open_.eq(self.awake & (left != 0)),
            gearbox.i.payload.eq(self.i.payload),
            gearbox.i.valid.eq(self.i.valid & open_),
            self.i.ready.eq(gearbox.i.ready & open_),
            gearbox.clear.eq(self.start),
            buffer.i.payload.eq(gearbox.o.payload),
            buffer.i.valid.eq(gearbox.o.valid & self.awake),
            gearbox.o.ready.eq(buffer.i.ready & self.awake),
            buffer.clear.eq(self.start),
            buffer.descriptor.eq(self.descriptor),
            buffer.want.eq(self.want),
            buffer.last.eq(self.last),
            self.go.eq(buffer.go),
            self.word.eq(buffer.word),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += left.eq(left - 1)
        with m.If(self.start):
            m.d.sync += left.eq(words)
        return m
