"""The engine: images in, classes out; all components joined.

::

    i -> window side -----> sum side -----> word side ----+--> head -> o
         encoder, line      index memory,   thresholds,   |
         buffer, memories   array           accumulator,  |
            ^                               pooling       |
            '---------------------------------------------'

The sequencer runs layer after layer; loader and issuer walk a layer by their own counters. Every
latency is fixed, see `hw.schedule`, so a predicted cycle is a simulated cycle.

With an index port the index words come in through stream ``index``, by way of `hw.index.side`.
Where a word is not there in time, everything but the index side and the head rests until it is:
the schedule stays as it is, in cycles of its own.
"""

from amaranth.hdl import Const, EnableInserter, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import bits_for

from hw.descriptor import descriptor_layout, descriptor_rows
from hw.engine_program import Program
from hw.heads.counted import Head, result_layout
from hw.heads.dense import score_layout
from hw.heads.serial import SerialHead
from hw.index.side import IndexSide
from hw.issuer import Issuer
from hw.loading.port import ports
from hw.loading.slots import slots_of
from hw.maps.geometry import Geometry
from hw.pipeline import delay
from hw.probe import probe_signature
from hw.sequencer import Phase, Sequencer
from hw.sum_side import SumSide
from hw.window_side import WindowSide
from hw.word_side import WordSide

__all__ = ["Engine"]


class Engine(wiring.Component):
    """Runs a compiled network.

    Members
    -------
    i : stream of bytes, an image as colours, rows, columns (colour planes in turn); images may
        follow each other without a gap, two of them fit in. Where the host computes the stem, of
        its 16-bit values instead, see `model.host`.
    o : stream of results, `hw.heads.counted.result_layout`: one an image, in order. With a serial
        head, of scores, `hw.heads.dense.score_layout`, one a class.
    index : stream of port words, only where the program has an index port; see
        `hw.index.stream.index_stream`, which comes once an image.
    contents : only where the network can be loaded: a port of each memory, see `hw.loading.port`;
        to be used while no image is in the engine.
    probe : observation only, see `hw.probe`.
    """

    def __init__(self, program: Program):
        self.program = program
        self.slots = slots_of(program)
        port = program.index_port
        super().__init__(
            {
                "i": In(stream.Signature(program.input_bits)),
                "o": Out(stream.Signature(_result(program))),
                **({"index": In(stream.Signature(port.bits))} if port else {}),
                "probe": Out(probe_signature(program)),
                **ports(self.slots, *(slot.name for slot in self.slots)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = outer = Module()
        program, timing = self.program, self.program.timing
        # Whether what is in `m` moves in this cycle.
        go = None
        if program.index_port:
            outer, go = Module(), Signal()
            outer.submodules.core = EnableInserter(go)(m)
        layout = descriptor_layout(program)
        m.submodules.sequencer = sequencer = Sequencer(
            layout,
            descriptor_rows(program.circuit or program),
            timing,
            words=program.images.descriptors,
            load=ports(self.slots, "descriptors"),
        )
        m.submodules.issuer = issuer = Issuer(
            layout, timing, program.sizes.index_words, program.reads, program.columns
        )
        m.submodules.window_side = windows = WindowSide(program)
        m.submodules.sum_side = sums = SumSide(program)
        m.submodules.word_side = words = WordSide(program, sums.sums.shape())
        outer.submodules.head = head = self._head()
        if program.loadable:
            self._join_contents(m, (sequencer, sums, words, head))
        for part in (issuer, windows, sums, words):
            m.d.comb += [
                part.start.eq(sequencer.start),
                part.descriptor.eq(sequencer.descriptor),
            ]

        if go is None:
            connect(m, flipped(self.i), windows.i)
            index = sums.index_address.eq(issuer.index_address)
        else:
            index = sums.index_word.eq(self._supply(outer, go, sequencer, issuer, windows))
        connect(m, windows.load, sums.load)
        connect(outer, head.o, flipped(self.o))
        tag_ahead = delay(m, issuer.tag, timing.sum_stage - 2, "tag_sum")
        last_layer = sequencer.descriptor.last
        final = program.wired[-1]
        # What has fewer lanes: the map's last tile, or every row's where rows are cut.
        last_tile = words.row_end if final.out_columns > 1 else words.tile == final.out_tiles - 1
        first_tile = words.tile == 0
        if final.out_tiles == 1:
            # Said once and for all, it spares the head the lanes that hold nothing.
            first_tile = last_tile = Const(1)
        m.d.comb += [
            sequencer.warming.eq(issuer.warming),
            sequencer.issuing.eq(issuer.tag.valid),
            sequencer.last.eq(issuer.last),
            sequencer.full.eq(windows.full),
            sequencer.head_ready.eq(head.ready),
            windows.release.eq(sequencer.release),
            windows.half.eq(sequencer.half),
            windows.first_layer.eq(
                sequencer.layer == 0 if program.chain else sequencer.descriptor.from_input
            ),
            sums.tag.eq(issuer.tag),
            index,
            words.next_channel.eq(tag_ahead.channel),
            words.tag.eq(delay(m, tag_ahead, 1, "tag_word")),
            words.sums.eq(sums.sums),
            words.thresholds.eq(sums.thresholds),
            windows.write_valid.eq(
                words.valid & (~last_layer if program.chain else sequencer.descriptor.stored)
            ),
            windows.write_bank.eq(words.bank),
            windows.write_address.eq(words.address),
            windows.write_data.eq(words.word),
        ]
        if program.keeps_input:
            m.d.comb += [
                words.half.eq(sequencer.half),
                words.input_valid.eq(windows.stream_valid),
                words.input_word.eq(windows.stream_word),
                words.input_address.eq(windows.stream_address),
                words.input_half.eq(windows.stream_half),
            ]
        outer.d.comb += [
            head.valid.eq(_moving(words.valid & last_layer, go)),
            head.word.eq(words.word),
            head.channel.eq(words.channel),
            head.finish.eq(_moving(sequencer.finish, go)),
        ]
        if not program.serial_head:
            outer.d.comb += [head.first_tile.eq(first_tile), head.last_tile.eq(last_tile)]
        elif program.network.head.on == "stream":
            outer.d.comb += [
                head.valid.eq(_moving(words.stream.valid & last_layer, go)),
                head.word.eq(words.stream.values),
                head.channel.eq(words.stream.channel),
            ]
        self._observe(outer, go, sequencer, windows, words, head)
        return outer

    def _join_contents(self, m: Module, parts: tuple[wiring.Component, ...]) -> None:
        """Leads each memory's port to the part that holds the memory."""
        for part in parts:
            if "contents" in part.signature.members:
                for name in part.contents.signature.members:
                    connect(m, flipped(getattr(self.contents, name)), getattr(part.contents, name))

    def _supply(
        self,
        m: Module,
        go: Signal,
        sequencer: Sequencer,
        issuer: Issuer,
        windows: WindowSide,
    ) -> Value:
        """Index words from the port; pixels, too, come in only while the engine moves."""
        m.submodules.index_side = side = IndexSide(self.program)
        want, layer = issuer.tag.valid, sequencer.descriptor
        if "silent" in layer.shape().members:
            want = want & ~layer.silent
        connect(m, flipped(self.index), side.i)
        m.d.comb += [
            side.start.eq(sequencer.start & (sequencer.layer == 0)),
            side.awake.eq(sequencer.phase != Phase.IDLE),
            side.descriptor.eq(sequencer.descriptor),
            side.want.eq(want),
            side.last.eq(issuer.tag.last_channel & self._round_end(issuer)),
            go.eq(side.go),
            windows.i.payload.eq(self.i.payload),
            windows.i.valid.eq(self.i.valid & go),
            self.i.ready.eq(windows.i.ready & go),
        ]
        return side.word

    def _round_end(self, issuer: Issuer) -> Value:
        """The group is the last one before the layer's index words begin anew."""
        if self.program.planes == 1:
            return issuer.tag.last_group
        return Mux(issuer.descriptor.repeats, issuer.tag.short, issuer.tag.last_group)

    def _head(self) -> Head | SerialHead:
        program, final = self.program, self.program.wired[-1]
        load = ports(self.slots, "weights", "offsets")
        if program.serial_head:
            images = program.images
            return SerialHead(program.serial_head, images.head, images.head_offsets, load)
        pixels = program.parameters.pixels
        outputs = Geometry(final.out_width, pixels)
        tile_lanes = outputs.lanes
        last_lanes = final.out_height * final.out_width - (final.out_tiles - 1) * tile_lanes
        if outputs.row_tiles > 1:
            last_lanes = outputs.width - (outputs.row_tiles - 1) * tile_lanes
        return Head(
            program.images.head,
            program.images.head_offsets,
            classes=program.classes,
            channels=program.wired_head.channels,
            units=program.head_units,
            pixels=pixels,
            tile_lanes=tile_lanes,
            last_lanes=last_lanes,
            count_bits=bits_for(final.out_height * final.out_width),
            score_bits=program.score_bits,
            load=load,
        )

    def _observe(
        self,
        m: Module,
        go: Signal | None,
        sequencer: Sequencer,
        windows: WindowSide,
        words: WordSide,
        head: Head,
    ) -> None:
        probe = self.probe
        phase = sequencer.phase if go is None else Mux(go, sequencer.phase, Phase.STALL)
        m.d.comb += [
            probe.layer.eq(sequencer.layer),
            probe.phase.eq(phase),
            probe.plane_valid.eq(_moving(windows.plane_valid, go)),
            probe.plane_tile.eq(windows.plane_tile),
            probe.plane_channel.eq(windows.plane_channel),
            probe.plane_data.eq(windows.plane_data),
            probe.write_valid.eq(_moving(words.valid, go)),
            probe.write_layer.eq(sequencer.layer),
            probe.write_tile.eq(words.tile),
            probe.write_channel.eq(words.channel),
            probe.write_data.eq(words.word),
            probe.head_busy.eq(head.busy),
        ]
        if self.program.stream_shape:
            m.d.comb += [
                probe.stream_valid.eq(_moving(words.stream.valid, go)),
                probe.stream_tile.eq(words.stream.tile),
                probe.stream_channel.eq(words.stream.channel),
                probe.stream_data.eq(words.stream.values),
            ]


def _result(program: Program) -> data.StructLayout:
    if program.serial_head:
        return score_layout(program.serial_head)
    return result_layout(program.classes, program.score_bits)


def _moving(strobe, go: Signal | None):
    """A strobe of the part that may rest, where it counts outside of it."""
    return strobe if go is None else strobe & go
