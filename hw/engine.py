"""The engine: images in, classes out; all components joined.

::

    i -> window side -----> sum side -----> word side ----+--> head -> o
         encoder, line      index memory,   accumulator,  |
         buffer, memories   array, border   threshold,    |
            ^                               pooling       |
            '---------------------------------------------'

The sequencer runs layer after layer; loader and issuer walk a layer by their own counters. Every
latency is fixed, see `hw.schedule`, so a predicted cycle is a simulated cycle.
"""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.descriptor import descriptor_layout, descriptor_rows
from hw.geometry import Geometry
from hw.head import Head, result_layout
from hw.issuer import Issuer
from hw.pipeline import delay
from hw.probe import probe_signature
from hw.program import Program
from hw.sequencer import Sequencer
from hw.sum_side import SumSide
from hw.window_side import WindowSide
from hw.word_side import WordSide

__all__ = ["Engine"]


class Engine(wiring.Component):
    """Runs a compiled network.

    Members
    -------
    i : stream of bytes, an image as colours, rows, columns (colour planes in turn); images may
        follow each other without a gap, two of them fit in.
    o : stream of results, `hw.head.result_layout`: one an image, in order.
    probe : observation only, see `hw.probe`.
    """

    def __init__(self, program: Program):
        self.program = program
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(result_layout(program.classes, program.score_bits))),
                "probe": Out(probe_signature(program)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        program, timing = self.program, self.program.timing
        layout = descriptor_layout(program)
        m.submodules.sequencer = sequencer = Sequencer(layout, descriptor_rows(program), timing)
        m.submodules.issuer = issuer = Issuer(
            layout, timing, program.sizes.index_words, program.reads, program.columns
        )
        m.submodules.window_side = windows = WindowSide(program)
        m.submodules.sum_side = sums = SumSide(program)
        m.submodules.word_side = words = WordSide(
            program, sums.sums.shape(), sums.corrections.shape()
        )
        m.submodules.head = head = self._head()
        for part in (issuer, windows, sums, words):
            m.d.comb += [
                part.start.eq(sequencer.start),
                part.descriptor.eq(sequencer.descriptor),
            ]

        connect(m, flipped(self.i), windows.i)
        connect(m, windows.load, sums.load)
        connect(m, head.o, flipped(self.o))
        last_layer = sequencer.descriptor.last
        final = program.plans[-1]
        # What has fewer lanes: the map's last tile, or every row's where rows are cut.
        last_tile = words.row_end if final.out_columns > 1 else words.tile == final.out_tiles - 1
        m.d.comb += [
            sequencer.warming.eq(issuer.warming),
            sequencer.issuing.eq(issuer.tag.valid),
            sequencer.last.eq(issuer.last),
            sequencer.full.eq(windows.full),
            sequencer.head_ready.eq(head.ready),
            windows.release.eq(sequencer.release),
            windows.half.eq(sequencer.half),
            windows.first_layer.eq(sequencer.layer == 0),
            sums.tag.eq(issuer.tag),
            sums.index_address.eq(issuer.index_address),
            words.tag.eq(delay(m, issuer.tag, timing.sum_stage, "tag_sum")),
            words.sums.eq(sums.sums),
            words.corrections.eq(sums.corrections),
            words.thresholds.eq(sums.thresholds),
            windows.write_valid.eq(words.valid & ~last_layer),
            windows.write_bank.eq(words.bank),
            windows.write_address.eq(words.address),
            windows.write_data.eq(words.word),
            head.clear.eq(sequencer.start & last_layer),
            head.valid.eq(words.valid & last_layer),
            head.word.eq(words.word),
            head.channel.eq(words.channel),
            head.last_tile.eq(last_tile),
            head.finish.eq(sequencer.finish),
        ]
        self._observe(m, sequencer, windows, words, head)
        return m

    def _head(self) -> Head:
        program, final = self.program, self.program.plans[-1]
        pixels = program.parameters.pixels
        outputs = Geometry(final.out_width, pixels)
        tile_lanes = outputs.lanes
        last_lanes = final.out_height * final.out_width - (final.out_tiles - 1) * tile_lanes
        if outputs.row_tiles > 1:
            last_lanes = outputs.width - (outputs.row_tiles - 1) * tile_lanes
        return Head(
            program.images.head,
            program.images.head_offsets,
            pixels=pixels,
            tile_lanes=tile_lanes,
            last_lanes=last_lanes,
            sum_bits=program.head_bits,
            score_bits=program.score_bits,
        )

    def _observe(
        self,
        m: Module,
        sequencer: Sequencer,
        windows: WindowSide,
        words: WordSide,
        head: Head,
    ) -> None:
        probe = self.probe
        m.d.comb += [
            probe.layer.eq(sequencer.layer),
            probe.phase.eq(sequencer.phase),
            probe.plane_valid.eq(windows.plane_valid),
            probe.plane_tile.eq(windows.plane_tile),
            probe.plane_channel.eq(windows.plane_channel),
            probe.plane_data.eq(windows.plane_data),
            probe.write_valid.eq(words.valid),
            probe.write_layer.eq(sequencer.layer),
            probe.write_tile.eq(words.tile),
            probe.write_channel.eq(words.channel),
            probe.write_data.eq(words.word),
            probe.head_busy.eq(head.busy),
        ]
