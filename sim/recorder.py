"""Turns what the engine's probe shows, word by word, into the tensors of each image."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.maps.layout import tiles, unpack_map, unpack_numbers
from model.errors import CheckError
from model.format import Network
from sim.maps import MapShape, map_shapes

__all__ = ["ImageTensors", "MapRecorder", "TensorRecorder"]


@dataclass(frozen=True, eq=False)
class ImageTensors:
    """Every tensor the engine computed for one image.

    ``planes`` bool [c, H, W] of the input; ``activations`` one bool [planes, H, W] a
    convolution; ``scores`` int64 [classes]; ``label`` the class it answered; ``streams`` one int64
    [c_out, H, W] a convolution. None where a layer puts out no such map.
    """

    planes: np.ndarray
    activations: tuple[np.ndarray | None, ...]
    scores: np.ndarray
    label: int
    streams: tuple[np.ndarray | None, ...] = ()


class MapRecorder:
    """Collects the words of one tensor, image after image; each word is written exactly once.

    Images follow each other without a mark: the tensor of an image is complete when all its words
    have been seen. A word that comes twice or does not exist raises CheckError, because from
    there on words and images could no longer be told apart.
    """

    def __init__(self, name: str, shape: tuple[int, int, int], pixels: int, bits: int = 1):
        self.name = name
        self.bits = bits
        self.channels, self.height, self.width = shape
        self.pixels = pixels
        self.tiles = tiles(self.height, self.width, pixels)
        self.images = 0
        self._words: dict[tuple[int, int], int] = {}
        self._complete: deque[np.ndarray] = deque()

    def write(self, tile: int, channel: int, word: int) -> None:
        """One word of ``pixels`` lanes of ``bits`` bits at ``tile`` of ``channel``."""
        place = f"image {self.images}, layer {self.name}: tile {tile} of channel {channel}"
        if tile >= self.tiles or channel >= self.channels:
            raise CheckError(
                f"{place} was written, but the map has {self.tiles} tiles "
                f"of {self.channels} channels"
            )
        if (tile, channel) in self._words:
            raise CheckError(f"{place} was written twice; {self._missing()} not yet")
        self._words[tile, channel] = word
        if len(self._words) == self.tiles * self.channels:
            self._complete.append(self._unpack())
            self._words.clear()
            self.images += 1

    def take(self) -> np.ndarray:
        """The tensor [channels, height, width] of the oldest image not yet taken: bool, or int64
        where lanes are numbers of several bits.

        Raises CheckError when it is not complete.
        """
        if not self._complete:
            raise CheckError(
                f"image {self.images}, layer {self.name}: {self._missing()} was never written, "
                "yet the image's result came out"
            )
        return self._complete.popleft()

    def _missing(self) -> str:
        places = ((tile, chan) for tile in range(self.tiles) for chan in range(self.channels))
        tile, channel = next(place for place in places if place not in self._words)
        return f"tile {tile} of channel {channel}"

    def _unpack(self) -> np.ndarray:
        size = (self.height, self.width, self.pixels)
        maps = []
        for channel in range(self.channels):
            words = [self._words[tile, channel] for tile in range(self.tiles)]
            one = unpack_map(words, *size)
            maps.append(one if self.bits == 1 else unpack_numbers(words, *size, self.bits))
        return np.stack(maps)


class TensorRecorder:
    """All maps of a network: the input's planes, each convolution's activations and streams.

    Parameters
    ----------
    network : names and shapes of the layers.
    pixels : bits of a word (the engine's lanes).
    """

    def __init__(self, network: Network, pixels: int):
        def recorder(shape: MapShape) -> MapRecorder:
            name = shape.layer if shape.tensor != "stream" else f"{shape.layer}, stream"
            return MapRecorder(name, shape.shape, pixels, shape.bits)

        self.planes, *maps = (recorder(shape) for shape in map_shapes(network))
        count = len(network.convs)
        self.layers, self.streams = maps[:count], maps[count:]

    def write(self, layer: int, tile: int, channel: int, word: int) -> None:
        """One word of the activations of convolution ``layer``."""
        if layer >= len(self.layers):
            raise CheckError(f"an activation was written for layer {layer}, which is no conv3x3")
        self.layers[layer].write(tile, channel, word)

    def write_stream(self, layer: int, tile: int, channel: int, word: int) -> None:
        """One word of the stream of convolution ``layer``."""
        if layer >= len(self.streams):
            raise CheckError(f"a stream was written for layer {layer}, which is no conv3x3")
        self.streams[layer].write(tile, channel, word)

    def result(self, label: int, scores: Sequence[int]) -> ImageTensors:
        """The image whose result just came out."""
        activations, streams = (
            tuple(layer.take() if layer.channels else None for layer in layers)
            for layers in (self.layers, self.streams)
        )
        scores = np.array(scores, np.int64)
        return ImageTensors(self.planes.take(), activations, scores, int(label), streams)
