"""The memory traffic of one image, layer by layer, in closed form.

**Indices.** A pass reads ``c_out`` words from the index memory, one a cycle, each of C indices of
the engine's tau bits. A layer has ``tiles * groups`` passes and nothing else reads the memory, so

    index bits read = tiles * groups * c_out * C * tau = useful cycles * C * tau

The memory holds ``groups * c_out`` of these words for the layer: every tile reads all of them
again. With an index port they are read from its buffer, and what comes in is `fetched_words`
(`hw.index.stream`) of them. Places of channels that the last group lacks are read with the others.

**Activations.** To load a channel of a tile, one word of P bits comes from each of the three
banks: the tile, the one above and the one below. A pass loads C slots, those that the last
group lacks included, and the tiles beyond the map's ends are read and then masked:

    activation bits read = tiles * groups * C * reads * 3 * P

with two reads where a word of outputs at stride 2 takes five tiles (see `hw.maps.geometry`), three
where rows are cut (see `hw.loader`), else one; and so many for each channel of a 1x1 convolution's
slot (`hw.pointwise`). Both count once for each plane where numbers have several bits.

Each output word holds P bits of one channel of the (pooled) output map:

    activation bits written = out_tiles * c_out * planes * P

What no layer reads is not written, as the last layer's words, which the head counts as they pass.
The first layer reads the input memory; the encoder has written there a word a plane and tile.

**Streams.** A residual, and a stream that is kept, are a word of P numbers for each output channel
and tile: a residual of the map computed, a stream of the map put out, which may be pooled.
"""

from dataclasses import dataclass

from hw.engine_program import Program
from hw.index.stream import fetched_words
from hw.maps.banks import BANKS
from hw.maps.layout import tiles

__all__ = ["LayerTraffic", "input_bits_written", "traffic"]


@dataclass(frozen=True)
class LayerTraffic:
    """Bits that one image moves in a layer; the head moves none of these.

    ``index_bits_fetched`` come in through an index port; ``stream_bits_read`` and
    ``stream_bits_written`` are those of the stream memory.
    """

    index_bits_read: int = 0
    activation_bits_read: int = 0
    activation_bits_written: int = 0
    index_bits_fetched: int = 0
    stream_bits_read: int = 0
    stream_bits_written: int = 0


def traffic(program: Program) -> list[LayerTraffic]:
    """The traffic of each convolution, and of the head."""
    parameters = program.parameters
    pixels, channels = parameters.pixels, parameters.channels
    stream_word = program.stream_shape.value * pixels if program.stream_shape else 0
    layers = [
        LayerTraffic(
            index_bits_read=plan.passes * plan.c_out * channels * parameters.tau,
            activation_bits_read=plan.passes * channels * plan.reads * BANKS * pixels,
            activation_bits_written=plan.stored * plan.out_words * plan.out_bits * pixels,
            index_bits_fetched=fetched_words(program, plan) * parameters.index_bits
            if program.index_port
            else 0,
            stream_bits_read=plan.adds * plan.tiles * plan.c_out * stream_word,
            stream_bits_written=plan.keeps * plan.out_words * stream_word,
        )
        for plan in program.plans
    ]
    return [*layers, LayerTraffic()]


def input_bits_written(program: Program) -> int:
    """Bits of planes that the encoder writes for one image."""
    planes, height, width = program.network.planes_shape
    pixels = program.parameters.pixels
    return tiles(height, width, pixels) * planes * pixels
