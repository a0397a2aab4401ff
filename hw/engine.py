"""The engine: images in, classes out; all components joined.

::

    i -> encoder -> input memory --.
                                   +-> line buffer -> array -> accumulator -> threshold -> pool
         activation memory --------'     (windows)     ^ ^                                  |
            ^                                          | codebook                           |
            |                          index memory ---'                                    |
            '------------------------------------------------------------- write-back <-----+
                                                                                head <------'
                                                                                 '-> o

The sequencer runs layer after layer; loader and issuer walk a layer by their own counters. Every
latency is fixed, see `hw.schedule`, so a predicted cycle is a simulated cycle.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.accumulator import Accumulator
from hw.array import make_array
from hw.array.border import BorderCorrection
from hw.banks import BANKS, BankedMemory
from hw.descriptor import descriptor_layout, descriptor_rows
from hw.encoder import Encoder
from hw.geometry import Geometry
from hw.head import Head, result_layout
from hw.issuer import Issuer
from hw.line_buffer import LineBuffer
from hw.loader import Loader
from hw.pipeline import delay
from hw.pool import Pool
from hw.probe import probe_signature
from hw.program import Program
from hw.schedule import LOAD_LATENCY
from hw.sequencer import Sequencer
from hw.threshold import Threshold
from hw.writeback import WriteBack

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
        m.submodules.issuer = issuer = Issuer(layout, timing, program.sizes.index_words)
        m.submodules.array = array = make_array(program.parameters)
        d = sequencer.descriptor
        m.d.comb += [
            issuer.start.eq(sequencer.start),
            issuer.descriptor.eq(d),
            sequencer.warming.eq(issuer.warming),
            sequencer.issuing.eq(issuer.tag.valid),
            sequencer.last.eq(issuer.last),
        ]

        activations = self._read_side(m, sequencer, array)
        sums, corrections, thresholds = self._array_side(m, sequencer, issuer, array)
        self._write_side(m, sequencer, issuer, activations, sums, corrections, thresholds)
        m.d.comb += [
            self.probe.layer.eq(sequencer.layer),
            self.probe.phase.eq(sequencer.phase),
        ]
        return m

    def _read_side(self, m: Module, sequencer: Sequencer, array) -> BankedMemory:
        """Encoder, memories, loader and line buffer: channels into the array."""
        program = self.program
        parameters, sizes = program.parameters, program.sizes
        _, height, width = program.network.image
        d = sequencer.descriptor
        m.submodules.encoder = encoder = Encoder(
            program.network.input_thresholds.tolist(),
            height=height,
            width=width,
            pixels=parameters.pixels,
            half_words=sizes.input_words,
        )
        connect(m, flipped(self.i), encoder.i)
        m.submodules.inputs = inputs = BankedMemory(parameters.pixels, 2 * sizes.input_words)
        m.submodules.activations = activations = BankedMemory(
            parameters.pixels, sizes.activation_words
        )
        m.submodules.loader = loader = Loader(
            descriptor_layout(program),
            program.timing,
            pixels=parameters.pixels,
            channels=parameters.channels,
            words=max(2 * sizes.input_words, sizes.activation_words),
        )
        m.submodules.line_buffer = lines = LineBuffer(program.geometries, parameters.pixels)

        from_input = sequencer.layer == 0
        half_base = Mux(sequencer.half, sizes.input_words, 0)
        m.d.comb += [
            sequencer.full.eq(encoder.full),
            encoder.release.eq(sequencer.release),
            inputs.write_valid.eq(encoder.write_valid),
            inputs.write_bank.eq(encoder.write_bank),
            inputs.write_data.eq(encoder.write_data),
            inputs.write_address.eq(
                encoder.write_address + Mux(encoder.write_half, sizes.input_words, 0)
            ),
            loader.start.eq(delay(m, sequencer.start, program.timing.load_wait, "load_start")),
            loader.descriptor.eq(d),
            loader.in_base.eq(Mux(from_input, half_base, d.in_base)),
        ]
        for bank in range(BANKS):
            # Bank by bank: the addresses of the two memories differ in width.
            m.d.comb += [
                inputs.read_address[bank].eq(loader.address[bank]),
                activations.read_address[bank].eq(loader.address[bank]),
                lines.words[bank].eq(
                    Mux(from_input, inputs.read_data[bank], activations.read_data[bank])
                ),
            ]
        m.d.comb += [
            lines.geometry.eq(d.geometry),
            lines.first_columns.eq(d.first_columns),
            lines.last_columns.eq(d.last_columns),
            lines.phase.eq(delay(m, loader.phase, 1, "phase")),
            lines.first_rows.eq(delay(m, loader.first_rows, 1, "first_rows")),
            lines.last_rows.eq(delay(m, loader.last_rows, 1, "last_rows")),
            array.load.valid.eq(delay(m, loader.read, LOAD_LATENCY, "read")),
            array.load.channel.eq(delay(m, loader.lane, LOAD_LATENCY, "lane")),
            array.load.null.eq(delay(m, loader.null, LOAD_LATENCY, "null")),
            array.load.windows.eq(lines.windows),
            self.probe.plane_valid.eq(encoder.write_valid),
            self.probe.plane_tile.eq(encoder.write_tile),
            self.probe.plane_channel.eq(encoder.write_channel),
            self.probe.plane_data.eq(encoder.write_data),
        ]
        return activations

    def _array_side(self, m: Module, sequencer: Sequencer, issuer: Issuer, array):
        """Index, codebook and threshold memories, array and border: sums at ``sum_stage``."""
        program, timing = self.program, self.program.timing
        parameters, images = program.parameters, program.images
        d = sequencer.descriptor
        sums_at = timing.sum_stage

        indices = _rom(
            m, "indices", parameters.channels * parameters.tau, images.indices, issuer.index_address
        )
        tag1 = delay(m, issuer.tag, 1, "tag_index")
        m.d.comb += [
            array.index.eq(indices),
            array.swap.eq(tag1.swap),
            array.null.eq(Mux(tag1.last_group, d.null_lanes, 0)),
        ]
        if parameters.has_codebook:
            self._load_codebook(m, sequencer, array)

        m.submodules.border = border = BorderCorrection(
            parameters.pixels, parameters.channels, e_bits=len(d.corner_excess)
        )
        kernels_at = 1 + timing.array.kernel_latency
        tag = delay(m, tag1, timing.array.kernel_latency - 1, "tag_thresholds")
        thresholds = _rom(
            m,
            "thresholds",
            program.sizes.sum_bits + 2,
            images.thresholds,
            d.threshold_base + tag.channel,
        )
        tag = delay(m, tag, 1, "tag_border")
        m.d.comb += [
            border.kernels.eq(array.kernels),
            border.last.eq(tag.last_group),
            border.q.eq(thresholds[1]),
            border.row_first.eq(Mux(tag.top, d.first_rows, 0)),
            border.row_last.eq(Mux(tag.bottom & ~d.single_row, d.last_rows, 0)),
            border.col_first.eq(d.first_columns),
            border.col_last.eq(Mux(d.single_column, 0, d.last_columns)),
            border.single_row.eq(d.single_row),
            border.single_column.eq(d.single_column),
            border.e_row.eq(d.row_excess),
            border.e_col.eq(d.column_excess),
            border.e_corner.eq(d.corner_excess),
        ]
        late = sums_at - kernels_at
        return (
            delay(m, array.sums, sums_at - 1 - timing.array.latency, "sums"),
            delay(m, border.correction, late - timing.border, "corrections"),
            delay(m, thresholds, late, "thresholds"),
        )

    def _load_codebook(self, m: Module, sequencer: Sequencer, array) -> None:
        """Copies the layer's codewords into the array, one a cycle, from the start strobe on."""
        parameters, images = self.program.parameters, self.program.images
        entry = Signal(range(parameters.entries + 1), init=parameters.entries)
        reading = Signal()
        address = Signal(range(max(len(images.codebooks), 2)))
        codeword = _rom(m, "codebooks", 9, images.codebooks, address)
        m.d.comb += reading.eq(entry != parameters.entries)
        with m.If(reading):
            m.d.sync += [entry.eq(entry + 1), address.eq(address + 1)]
        with m.If(sequencer.start):
            m.d.sync += [entry.eq(0), address.eq(sequencer.descriptor.codebook_base)]
        m.d.comb += [
            array.codebook_write.enable.eq(delay(m, reading, 1, "codebook_enable")),
            array.codebook_write.address.eq(delay(m, entry, 1, "codebook_entry")),
            array.codebook_write.data.eq(codeword),
        ]

    def _write_side(
        self,
        m: Module,
        sequencer: Sequencer,
        issuer: Issuer,
        activations: BankedMemory,
        sums,
        corrections,
        thresholds,
    ) -> None:
        """Accumulator, threshold, pooling, write-back and head: from sums to words and scores."""
        program, timing = self.program, self.program.timing
        parameters, sizes = program.parameters, program.sizes
        d = sequencer.descriptor

        tag = delay(m, issuer.tag, timing.sum_stage, "tag_sum")
        m.submodules.accumulator = accumulator = Accumulator(
            parameters.pixels,
            term_bits=len(sums[0]),
            correction_bits=len(corrections[0]),
            sum_bits=sizes.sum_bits,
            depth=sizes.partial_sums,
        )
        m.submodules.threshold = threshold = Threshold(parameters.pixels, sizes.sum_bits)
        m.submodules.pool = pool = Pool(
            program.geometries,
            {plan.geometry for plan in program.plans if plan.pool},
            pixels=parameters.pixels,
            slots=max(plan.slots for plan in program.plans),
            depth=sizes.pool_words,
        )
        m.d.comb += [
            accumulator.valid.eq(tag.valid),
            accumulator.channel.eq(tag.channel),
            accumulator.first.eq(tag.first_group),
            accumulator.last.eq(tag.last_group),
            accumulator.terms.eq(sums),
            accumulator.corrections.eq(corrections),
        ]
        thresholds = delay(m, thresholds, accumulator.latency, "limit")
        m.d.comb += [
            threshold.sums.eq(accumulator.sums),
            threshold.limit.eq(thresholds[2:]),
        ]
        to_bits = accumulator.latency + threshold.latency
        tag = delay(m, tag, to_bits, "tag_bits")
        flip = delay(m, thresholds[0], threshold.latency + pool.latency, "flip")
        m.d.comb += [
            pool.bits.eq(threshold.bits),
            pool.valid.eq(tag.valid & tag.last_group),
            pool.channel.eq(tag.channel),
            pool.slot.eq(tag.slot),
            pool.fresh.eq(tag.fresh),
            pool.pool.eq(d.pool),
            pool.geometry.eq(d.geometry),
        ]
        tag = delay(m, tag, pool.latency, "tag_word")
        word = Signal(parameters.pixels)
        emit = Signal()
        m.d.comb += [
            word.eq(pool.word ^ flip.replicate(parameters.pixels)),
            emit.eq(tag.valid & tag.last_group & tag.emit),
        ]

        m.submodules.write_back = write_back = WriteBack(
            sizes.activation_words,
            len(tag.channel),
            len(self.probe.write_tile),
        )
        m.d.comb += [
            write_back.start.eq(sequencer.start),
            write_back.base.eq(d.out_base),
            write_back.valid.eq(emit),
            write_back.channel.eq(tag.channel),
            write_back.last_channel.eq(tag.last_channel),
            activations.write_valid.eq(emit & ~d.last),
            activations.write_bank.eq(write_back.bank),
            activations.write_address.eq(write_back.address),
            activations.write_data.eq(word),
        ]

        self._head(m, sequencer, emit, word, tag, write_back)
        m.d.comb += [
            self.probe.write_valid.eq(emit),
            self.probe.write_layer.eq(sequencer.layer),
            self.probe.write_tile.eq(write_back.tile),
            self.probe.write_channel.eq(tag.channel),
            self.probe.write_data.eq(word),
        ]

    def _head(self, m: Module, sequencer: Sequencer, emit, word, tag, write_back) -> None:
        program = self.program
        final = program.plans[-1]
        pixels = program.parameters.pixels
        tile_lanes = Geometry(final.out_width, pixels).lanes
        m.submodules.head = head = Head(
            program.images.head,
            program.images.head_offsets,
            pixels=pixels,
            tile_lanes=tile_lanes,
            last_lanes=final.out_height * final.out_width - (final.out_tiles - 1) * tile_lanes,
            sum_bits=program.head_bits,
            score_bits=program.score_bits,
        )
        connect(m, head.o, flipped(self.o))
        m.d.comb += [
            sequencer.head_ready.eq(head.ready),
            head.clear.eq(sequencer.start & sequencer.descriptor.last),
            head.valid.eq(emit & sequencer.descriptor.last),
            head.word.eq(word),
            head.channel.eq(tag.channel),
            head.last_tile.eq(write_back.tile == final.out_tiles - 1),
            head.finish.eq(sequencer.finish),
            self.probe.head_busy.eq(head.busy),
        ]


def _rom(m: Module, name: str, width: int, words: tuple[int, ...], address):
    """Data of a read-only memory, one cycle after the address."""
    memory = Memory(shape=width, depth=max(len(words), 2), init=words)
    m.submodules[name] = memory
    read = memory.read_port()
    m.d.comb += read.addr.eq(address)
    return read.data
