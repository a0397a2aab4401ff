"""Index buffer: the words that came through the port, kept for as long as a layer needs them.

A ring with three pointers::

      release             read            write
    .....|===================|===============|......
         kept for next tile    not yet read     free

A **resident** layer's words fit into the ring: they are kept until its last tile, and reading
begins again at ``release`` with each tile, so that the port supplies each of them once. Words of
other layers are released as they are read, and come through the port again for each tile. Room
that a layer leaves is filled with the words of the next one.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.params import IndexPort

__all__ = ["IndexBuffer"]


class IndexBuffer(wiring.Component):
    """See the module.

    Members
    -------
    i : stream of index words; one can be read from the cycle on that follows its arrival.
    clear : In, strobe before an image's first word: the ring is empty.
    descriptor : In, of the running layer; ``resident`` and ``final_tile`` of it.
    want : In, an index word is wanted in this cycle; last : In, with it, it is a tile's last one.
    go : Out, nothing is wanted or the word is there. Where it is 0, the engine has to wait.
    word : Out, the word wanted, one cycle later; held while ``go`` is 0.
    """

    def __init__(self, layout: data.StructLayout, port: IndexPort, word_bits: int):
        self.depth = port.buffer_words
        super().__init__(
            {
                "i": In(stream.Signature(word_bits)),
                "clear": In(1),
                "descriptor": In(layout),
                "want": In(1),
                "last": In(1),
                "go": Out(1),
                "word": Out(word_bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        d = self.descriptor
        m.submodules.words = memory = Memory(shape=len(self.word), depth=self.depth, init=[])
        read_port, write_port = memory.read_port(), memory.write_port()
        # One bit more than an address: full and empty differ in it.
        write = Signal(range(2 * self.depth))
        read = Signal.like(write)
        release = Signal.like(write)
        tile = Signal.like(d.final_tile)
        last_tile = tile == d.final_tile
        kept = Signal()
        m.d.comb += [
            kept.eq(d.resident & ~last_tile),
            self.i.ready.eq(write != (release ^ self.depth)),
            self.go.eq(~self.want | (read != write)),
            self.word.eq(read_port.data),
            read_port.addr.eq(read),
            read_port.en.eq(self.go),
            write_port.addr.eq(write),
            write_port.data.eq(self.i.payload),
            write_port.en.eq(self.i.valid & self.i.ready),
        ]
        with m.If(write_port.en):
            m.d.sync += write.eq(write + 1)
        with m.If(self.want & self.go):
            m.d.sync += read.eq(read + 1)
            with m.If(~kept):
                m.d.sync += release.eq(release + 1)
            with m.If(self.last):
                m.d.sync += tile.eq(tile + 1)
                with m.If(last_tile):
                    m.d.sync += tile.eq(0)
                with m.If(kept):
                    m.d.sync += read.eq(release)
        with m.If(self.clear):
            m.d.sync += [pointer.eq(0) for pointer in (write, read, release)]
        return m
