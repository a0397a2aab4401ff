"""How often the streams of an exported network are at the ends of their range. Numpy only."""

from collections.abc import Iterator

import numpy as np

from model import golden
from model.network import Network

__all__ = ["saturation"]


def saturation(network: Network, images: np.ndarray, batch: int = golden.BATCH) -> dict[str, float]:
    """Share of each stream's numbers, after pooling, that are the lowest or highest which its bits
    can say, by layer name (the stem's is "stem"), on uint8 images [N, colours, H, W]."""
    counts: dict[str, list[int]] = {}
    for start in range(0, len(images), batch):
        trace = golden.trace(network, images[start : start + batch])
        for name, bits, values in _streams(network, trace):
            edge = 1 << (bits - 1)
            held = int(((values == -edge) | (values == edge - 1)).sum())
            before = counts.setdefault(name, [0, 0])
            before[0] += held
            before[1] += values.size
    return {name: held / total for name, (held, total) in counts.items()}


def _streams(network: Network, trace: golden.Trace) -> Iterator[tuple[str, int, np.ndarray]]:
    """(layer name, bits, numbers) of every stream of a trace."""
    if network.stem is not None:
        yield network.stem.name, network.stem.stream.bits, trace.stream
    for layer, values in zip(network.convs, trace.streams, strict=True):
        if layer.stream is not None:
            yield layer.name, layer.stream.bits, values
