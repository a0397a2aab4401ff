"""Contents of the engine's read-only memories, from the exported network.

Thresholds become the values that sums start from, one for each place in a map: see `hw.starts`.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from hw.engine_program import MemoryImages
from hw.heads.counted_plan import head_words, offset_words
from hw.heads.serial_plan import SerialPlan
from hw.inputs.stem import level_words
from hw.params import ArrayParameters
from hw.stand_in import StandIn, array_layers
from hw.starts import rotated, start_values
from hw.stream.shape import StreamShape, channel_words
from hw.work import work_of
from model.format import Conv, Head, Network
from model.network import Pointwise

__all__ = ["memory_images", "with_counted_head", "with_serial_head"]


def memory_images(
    network: Network, parameters: ArrayParameters, sum_bits: int, shape: StreamShape | None
) -> MemoryImages:
    """All but the head's, which `with_counted_head` or `with_serial_head` adds."""
    # Neither lanes nor table fillers show in them, so that arrays which differ in these alone, of
    # which a search compiles hundreds, have theirs in common.
    alike = replace(parameters, pixels=1, fill=min(parameters.fill, 1))
    return _images(network, alike, sum_bits, shape)


@lru_cache(maxsize=16)
def _images(
    network: Network, parameters: ArrayParameters, sum_bits: int, shape: StreamShape | None
) -> MemoryImages:
    layers = array_layers(network, parameters)
    return MemoryImages(
        indices=tuple(w for layer in layers for w in _index_words(layer, parameters)),
        thresholds=tuple(w for layer in layers for w in _thresholds(layer, parameters, sum_bits)),
        codebooks=tuple(w for layer in layers for w in _codewords(layer, parameters)),
        head=(),
        head_offsets=(),
        streams=tuple(channel_words(network, shape)) if shape else (),
        stem=level_words(network.stem) if network.stem else (),
    )


def with_counted_head(
    images: MemoryImages, head: Head, units: int, channels: int, bits: int
) -> MemoryImages:
    """The head's memories as `hw.heads.counted` reads them, for scores of so many ``bits``.

    Where it has more ``channels`` than this network's last layer, the others weigh nothing.
    """
    weight = head.weight.astype(np.int64)
    # The engine counts +1 pixels: score = 2 * sum(w * count) + (bias - size * sum(w)).
    offsets = head.bias.astype(np.int64) - head.height * head.width * weight.sum(axis=1)
    return replace(
        images,
        head=head_words(np.pad(weight, ((0, 0), (0, channels - weight.shape[1]))), units),
        head_offsets=offset_words(offsets, units, bits),
    )


def with_serial_head(images: MemoryImages, head: Head, plan: SerialPlan) -> MemoryImages:
    """The head's memories as `hw.heads.serial` reads them."""
    weights, offsets = plan.weight_words(head.weight), plan.offsets(head.weight, head.bias)
    return replace(images, head=weights, head_offsets=offsets)


def _index_words(layer: Conv | Pointwise, parameters: ArrayParameters) -> list[int]:
    """Index words in order of use: plane by plane of the weights, group by group, output channel
    by output channel."""
    channels, tau = parameters.channels, parameters.tau
    words = []
    if isinstance(layer, StandIn):
        return words
    for indices in work_of(layer, parameters).indices:
        for first in range(0, indices.shape[1], channels):
            for row in indices[:, first : first + channels].tolist():
                words.append(sum(index << (tau * lane) for lane, index in enumerate(row)))
    return words


def _codewords(layer: Conv | Pointwise, parameters: ArrayParameters) -> list[int]:
    """The codebook's kernel numbers, filled up to the engine's number of entries."""
    codewords = work_of(layer, parameters).codebook.tolist()
    return codewords + [0] * (parameters.entries - len(codewords))


def _thresholds(
    layer: Conv | Pointwise, parameters: ArrayParameters, sum_bits: int
) -> list[int]:
    """Threshold words: flip, and the starts of the places, from the lowest bit up."""
    planes = max(layer.in_bits, layer.weight_bits)
    words = []
    for flip, starts in zip(layer.flips, start_values(layer, parameters).tolist(), strict=True):
        places = (
            rotated(start, sum_bits, planes) << sum_bits * place
            for place, start in enumerate(starts)
        )
        words.append(int(flip) | sum(places) << 1)
    return words
