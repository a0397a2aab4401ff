"""Issuer: walks tiles, groups and output channels, and calls one index word a cycle.

The index memory is read strictly in sequence within a tile and from the layer's start again for
the next tile: the index stream is the instruction stream. With each word goes a `Tag` that tells
the later stages what to do with the sums::

    cycle        start  1 .. prepare   then, for each pass
    pass_cycle                         0 .. c_out-1 .. pass_cycles-1
    tag.valid                          1 .. 1    0 .. 0
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.schedule import Timing

__all__ = ["Issuer", "tag_layout"]


def tag_layout(layout: data.StructLayout) -> data.StructLayout:
    """What accompanies an index word, from a descriptor's layout.

    swap: first word of a pass. channel: output channel. first_group, last_group: start or end of
    the accumulation. top, bottom, left, right: the tile holds the map's first or last row, first
    or last column. slot, fresh, emit: the tile's place in its output word, whether it begins or
    completes it. row_end: the tile is the last one computed of its row.

    Where numbers have several bits: plane: which of them, the highest first; double: this is the
    first group of a further one; short: the last group of a plane, which may lack slots.
    """
    planes = {}
    if "end_plane" in layout.members:
        planes = {"plane": layout["end_plane"].shape, "double": 1, "short": 1}
    return data.StructLayout(
        {
            "valid": 1,
            "swap": 1,
            "channel": layout["last_channel"].shape,
            "first_group": 1,
            "last_group": 1,
            "last_channel": 1,
            "top": 1,
            "bottom": 1,
            "left": 1,
            "right": 1,
            "slot": layout["last_slot"].shape,
            "fresh": 1,
            "emit": 1,
            "row_end": 1,
            **planes,
        }
    )


class Issuer(wiring.Component):
    """See the module; ``reads`` are those that a slot takes in one layer or another,
    ``columns`` the most tiles that a row is cut into.

    Members
    -------
    start : In, strobe one cycle before the layer's first cycle.
    descriptor : In, of the running layer.
    tag : Out, stage 0 of the pipeline.
    index_address : Out, valid with ``tag.valid``.
    warming : Out, the tables for the first pass are being prepared.
    last : Out, this is the layer's last index word.
    """

    def __init__(
        self,
        layout: data.StructLayout,
        timing: Timing,
        index_words: int,
        reads: frozenset[int],
        columns: int,
    ):
        self.timing = timing
        self.reads = reads
        self.columns = columns
        super().__init__(
            {
                "start": In(1),
                "descriptor": In(layout),
                "tag": Out(tag_layout(layout)),
                "index_address": Out(range(max(index_words, 2))),
                "warming": Out(1),
                "last": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        d, tag = self.descriptor, self.tag
        warm = Signal(range(self.timing.reading(max(self.reads)).prepare + 1))
        running = Signal()
        tile = Signal.like(d.end_tile)
        group = Signal.like(d.last_group)
        channel = Signal.like(d.pass_end)
        slot = Signal.like(d.last_slot)
        column = Signal(range(self.columns))

        last_column = column == d.last_column
        last_tile = (tile == d.end_tile) & last_column
        plane_end = group == d.last_group
        last_group, plane = plane_end, None
        if planes := "end_plane" in d.shape().members:
            plane = Signal.like(d.end_plane)
            last_group = plane_end & (plane == d.end_plane)
            m.d.comb += [
                tag.plane.eq(plane),
                tag.double.eq((group == 0) & (plane != 0)),
                tag.short.eq(plane_end),
            ]
        pass_end = channel == d.pass_end
        # Pooled words that lie side by side take the tiles of two rows, one row after the other.
        first, second = d.pool_cut & ~tile[0], d.pool_cut & tile[0]
        word_end = (slot == d.last_slot) | last_tile | (d.pool_cut & last_column)
        m.d.comb += [
            self.warming.eq(warm != 0),
            self.last.eq(tag.valid & tag.last_channel & last_group & last_tile),
            tag.valid.eq(running & (channel <= d.last_channel)),
            tag.swap.eq(running & (channel == 0)),
            tag.channel.eq(channel),
            tag.first_group.eq((group == 0) & (plane == 0) if planes else group == 0),
            tag.last_group.eq(last_group),
            tag.last_channel.eq(channel == d.last_channel),
            tag.top.eq(tile == 0),
            tag.bottom.eq(tile == d.bottom_tile),
            tag.left.eq(column == 0),
            tag.right.eq(last_column & ~d.right_left_out),
            tag.slot.eq(slot),
            tag.fresh.eq((slot == 0) & ~second),
            tag.emit.eq(word_end & ~first),
            tag.row_end.eq(last_column),
        ]

        with m.If(warm != 0):
            m.d.sync += [warm.eq(warm - 1), running.eq(warm == 1)]
        with m.If(running):
            m.d.sync += channel.eq(channel + 1)
        with m.If(tag.valid):
            m.d.sync += self.index_address.eq(self.index_address + 1)
        with m.If(running & pass_end):
            m.d.sync += [channel.eq(0), group.eq(group + 1)]
            if planes:
                with m.If(plane_end):
                    m.d.sync += [group.eq(0), plane.eq(plane + 1)]
                    with m.If(d.repeats):
                        m.d.sync += self.index_address.eq(d.index_base)
            with m.If(last_group):
                if planes:
                    m.d.sync += plane.eq(0)
                m.d.sync += [group.eq(0), self.index_address.eq(d.index_base)]
                m.d.sync += column.eq(column + 1)
                with m.If(last_column):
                    m.d.sync += [column.eq(0), tile.eq(tile + 1)]
                m.d.sync += slot.eq(Mux(word_end, 0, slot + 1))
        with m.If(self.last):
            # The last pass ends with its last word; what a pass waits for comes no more.
            m.d.sync += running.eq(0)
        prepare = self.timing.prepare
        if "prepare" in d.shape().members:
            prepare = d.prepare
        else:
            for reads, layer in ((2, d.twice), (3, d.thrice)):
                if reads in self.reads:
                    prepare = Mux(layer, self.timing.reading(reads).prepare, prepare)
        with m.If(self.start):
            if planes:
                m.d.sync += plane.eq(0)
            m.d.sync += [signal.eq(0) for signal in (tile, group, channel, slot, column)]
            m.d.sync += [warm.eq(prepare), self.index_address.eq(d.index_base)]
        return m
