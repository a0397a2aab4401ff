"""Which maps an engine shows of each image: their shapes, and how its words hold them.

They have numbers, the same in all of `sim` and in `harness.cpp`: 0 is the input's planes; then come
all layers' activations, and then all layers' streams.
"""

from dataclasses import dataclass

from hw.stream.shape import stream_shape
from model.format import Network

__all__ = ["MapShape", "map_shapes"]


@dataclass(frozen=True)
class MapShape:
    """A map of a layer: (channels, height, width), and ``bits`` of a lane in its words.

    ``tensor`` is "planes", "activations" or "stream"; a layer that puts out no such map has one
    of no channels. Numbers of a stream are signed, others single bits.
    """

    layer: str
    tensor: str
    shape: tuple[int, int, int]
    bits: int = 1

    @property
    def there(self) -> bool:
        """Whether the layer puts it out."""
        return self.shape[0] > 0


def map_shapes(network: Network) -> list[MapShape]:
    """All maps, by their numbers."""
    convs = network.convs
    streams = [conv.stream for conv in convs]
    return [
        MapShape("input", "planes", network.planes_shape),
        *(MapShape(conv.name, "activations", conv.planes_shape) for conv in convs),
        *(
            MapShape(conv.name, "stream", conv.out_shape, _word_bits(network))
            if stream
            else MapShape(conv.name, "stream", (0, *conv.out_shape[1:]))
            for conv, stream in zip(convs, streams, strict=True)
        ),
    ]


def _word_bits(network: Network) -> int:
    """Bits of a lane in a word of any of the network's streams: those of the widest."""
    return stream_shape(network).value
