"""The way to the array: image and earlier layers' maps, channel by channel, as windows.

::

    i -> encoder -.
                  +-> memory -> line buffer -> load port of the array
    words --------'

A layer reads either the half of the input memory that its image lies in, as the first one does, or
the activation memory, into which a layer before has written. Both are parts of the same three block
RAMs, which so are filled better than two each, and no multiplexer stands between them and the line
buffer. A layer's words come when they come; the encoder waits for a cycle without one.
"""

from amaranth.hdl import Module, Mux, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.array.interface import array_members
from hw.descriptor import descriptor_layout
from hw.engine_program import Program
from hw.inputs.planes import PlaneEncoder
from hw.inputs.stem import StemInput
from hw.inputs.thermometer import Encoder
from hw.line_buffer import LineBuffer
from hw.loader import Loader
from hw.maps.banks import BANKS, BankedMemory
from hw.maps.layout import tiles
from hw.pipeline import delay
from hw.schedule import LOAD_LATENCY

__all__ = ["WindowSide"]


class WindowSide(wiring.Component):
    """See the module.

    Members
    -------
    i : stream of pixels, or of values of a stem's stream.
    full, release, half : halves of the input memory, as the sequencer knows them.
    start, descriptor : In, of the layer; first_layer : In, it reads the input memory
        (the first layer does; in a graph, others may, too).
    load : Out, for the array.
    write_valid, write_bank, write_address, write_data : In, a word for the activation memory.
    plane_valid, plane_tile, plane_channel, plane_data : Out, a word of planes (observation).
    stream_valid, stream_word, stream_address, stream_half : Out, a word of the stem's stream, see
        `hw.inputs.stem`; only where a layer adds it.
    """

    def __init__(self, program: Program):
        self.program = program
        parameters, sizes = program.parameters, program.sizes
        planes, *input_size = program.network.planes_shape
        input_tiles = tiles(*input_size, parameters.pixels)
        super().__init__(
            {
                "i": In(stream.Signature(program.input_bits)),
                "full": Out(2),
                "release": In(2),
                "half": In(1),
                "start": In(1),
                "descriptor": In(descriptor_layout(program)),
                "first_layer": In(1),
                "load": array_members(parameters)["load"].flip(),
                "write_valid": In(1),
                "write_bank": In(range(BANKS)),
                "write_address": In(range(max(sizes.activation_words, 2))),
                "write_data": In(parameters.pixels),
                "plane_valid": Out(1),
                "plane_tile": Out(range(input_tiles)),
                "plane_channel": Out(range(planes)),
                "plane_data": Out(parameters.pixels),
                **self._stream_members(),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        program, d = self.program, self.descriptor
        parameters, sizes = program.parameters, program.sizes
        m.submodules.encoder = encoder = self._encoder()
        # The two halves of the input memory lie above the activations.
        words = sizes.activation_words + 2 * sizes.input_words
        m.submodules.memory = memory = BankedMemory(parameters.pixels, words)
        m.submodules.loader = loader = Loader(
            descriptor_layout(program),
            program.timing,
            pixels=parameters.pixels,
            channels=parameters.channels,
            words=words,
            strided=program.strided,
            columns=program.columns,
            reads=program.reads,
            parts=program.parts,
            taps=program.taps,
            flatten=program.flatten,
        )
        m.submodules.line_buffer = lines = LineBuffer(
            program.geometries,
            parameters.pixels,
            taps=program.taps,
            flatten=program.flatten,
            ones=program.ones,
        )

        connect(m, flipped(self.i), encoder.i)
        # Constant in a layer, unless rows are cut.
        column_wait = LOAD_LATENCY if program.columns > 1 else 0
        halves = [sizes.activation_words + half * sizes.input_words for half in range(2)]
        plane_address = encoder.write_address + Mux(encoder.write_half, *halves[::-1])
        m.d.comb += [
            self.full.eq(encoder.full),
            encoder.release.eq(self.release),
            encoder.write_ready.eq(~self.write_valid),
            memory.write_valid.eq(self.write_valid | encoder.write_valid),
            memory.write_bank.eq(Mux(self.write_valid, self.write_bank, encoder.write_bank)),
            memory.write_address.eq(Mux(self.write_valid, self.write_address, plane_address)),
            memory.write_data.eq(Mux(self.write_valid, self.write_data, encoder.write_data)),
            loader.start.eq(self._load_start(m)),
            loader.descriptor.eq(d),
            loader.in_base.eq(Mux(self.first_layer, Mux(self.half, *halves[::-1]), d.in_base)),
        ]
        if program.taps:
            self._bundle(m, loader, lines)
        if program.ones:
            m.d.comb += lines.ones.eq(d.ones)
        if program.keeps_input:
            m.d.comb += [
                self.stream_valid.eq(encoder.stream_valid),
                self.stream_word.eq(encoder.stream_word),
                self.stream_address.eq(encoder.stream_address),
                self.stream_half.eq(encoder.write_half),
            ]
        m.d.comb += [
            memory.read_address.eq(loader.address),
            lines.words.eq(memory.read_data),
            lines.geometry.eq(d.geometry),
            lines.first_columns.eq(delay(m, loader.first_columns, column_wait, "first_columns")),
            lines.last_columns.eq(delay(m, loader.last_columns, column_wait, "last_columns")),
            lines.part.eq(delay(m, loader.part, BankedMemory.latency, "part")),
            lines.phase.eq(delay(m, loader.phase, BankedMemory.latency, "phase")),
            lines.first_rows.eq(delay(m, loader.first_rows, BankedMemory.latency, "first_rows")),
            lines.last_rows.eq(delay(m, loader.last_rows, BankedMemory.latency, "last_rows")),
            self.load.valid.eq(delay(m, loader.load, LOAD_LATENCY, "loaded")),
            self.load.channel.eq(delay(m, loader.lane, LOAD_LATENCY, "lane")),
            self.load.null.eq(delay(m, loader.null, LOAD_LATENCY, "null")),
            self.load.windows.eq(lines.windows),
            self.plane_valid.eq(encoder.write_valid & encoder.write_ready),
            self.plane_tile.eq(encoder.write_tile),
            self.plane_channel.eq(encoder.write_channel),
            self.plane_data.eq(encoder.write_data),
        ]
        return m

    def _bundle(self, m: Module, loader: Loader, lines: LineBuffer) -> None:
        """What the line buffer is told of a 1x1 convolution's channels."""
        m.d.comb += [
            lines.pointwise.eq(self.descriptor.pointwise),
            lines.tap.eq(delay(m, loader.tap, BankedMemory.latency, "tap")),
            lines.absent.eq(delay(m, loader.absent, BankedMemory.latency, "absent")),
        ]
        if self.program.flatten:
            m.d.comb += [
                lines.flatten.eq(self.descriptor.flatten),
                lines.pixel.eq(delay(m, loader.pixel, BankedMemory.latency, "pixel")),
            ]

    def _stream_members(self) -> dict:
        """Of a word of the stem's stream."""
        program = self.program
        if not program.keeps_input:
            return {}
        bits = program.network.stem.stream.bits
        return {
            "stream_valid": Out(1),
            "stream_word": Out(bits * program.parameters.pixels),
            "stream_address": Out(range(max(program.input_stream_words, 2))),
            "stream_half": Out(1),
        }

    def _encoder(self) -> Encoder | PlaneEncoder | StemInput:
        network, sizes = self.program.network, self.program.sizes
        if network.stem:
            return StemInput(
                network.stem,
                self.program.images.stem,
                pixels=self.program.parameters.pixels,
                half_words=sizes.input_words,
                kept=self.program.keeps_input,
            )
        channels, height, width = network.image
        shape = {
            "height": height,
            "width": width,
            "pixels": self.program.parameters.pixels,
            "half_words": sizes.input_words,
        }
        if network.encoding == "binary":
            return PlaneEncoder(channels=channels, bits=network.input_bits, **shape)
        return Encoder(network.input_thresholds.tolist(), **shape)

    def _load_start(self, m: Module) -> Value:
        """The loader's start: after the layer's, as its codebook takes longer than its loading."""
        timing, d = self.program.timing, self.descriptor
        if self.program.taps:
            waits = {timing.reading(plan.reads).load_wait for plan in self.program.wired}
            delayed = self.start
            start = Mux(d.load_wait == 0, delayed, 0)
            for wait in range(1, max(waits) + 1):
                delayed = delay(m, delayed, 1, f"load_start{wait}")
                if wait in waits:
                    start = Mux(d.load_wait == wait, delayed, start)
            return start
        wait = timing.load_wait
        start = delay(m, self.start, wait, "load_start")
        for reads, layer in ((2, d.twice), (3, d.thrice)):
            other = timing.reading(reads).load_wait
            if reads in self.program.parts and other != wait:
                start = Mux(layer, delay(m, self.start, other, f"load_start{reads}"), start)
        return start
