"""Where each map of a network lies: bit planes in the banks, kept streams in the stream memory.

A map lives from the layer that puts it out to the last one that reads it (`hw.maps.liveness`). What
nobody reads behind the array takes no place: the last layer's output goes to the head.

A layer reads the residual of a position some cycles before it writes its own stream there. So the
stream takes its residual's very place where nobody reads the residual later: one place serves a
whole row of blocks.
"""

from dataclasses import dataclass

from hw.maps.banks import BANKS
from hw.maps.layout import row_tiles, rows_per_tile, tiles
from hw.maps.liveness import Span, depth, place
from model.network import INPUT, Network

__all__ = ["Places", "bank_words", "place_maps"]


@dataclass(frozen=True)
class Places:
    """Bases by the place of the layer that puts the map out (for the stem's stream,
    `model.network.INPUT`), and the depths that follow: ``plane_words`` of each bank,
    ``stream_words`` of the stream memory."""

    planes: dict[int, int]
    plane_words: int
    streams: dict[int, int]
    stream_words: int


def bank_words(channels: int, height: int, width: int, pixels: int) -> int:
    """Words that a map takes in each bank: the tiles of row t of them lie in bank t % 3."""
    rows = -(-height // rows_per_tile(width, pixels))
    return -(-rows // BANKS) * row_tiles(width, pixels) * channels


def place_maps(network: Network, pixels: int) -> Places:
    """Places for all maps of a network on an engine of so many lanes."""
    planes, plane_words = _placed(_plane_spans(network, pixels))
    streams, stream_words = _placed(_stream_spans(network, pixels))
    owners = _owners(network)
    return Places(planes, plane_words, {n: streams[owners[n]] for n in owners}, stream_words)


def _placed(spans: dict[int, Span]) -> tuple[dict[int, int], int]:
    bases = place(list(spans.values()))
    return dict(zip(spans, bases, strict=True)), depth(list(spans.values()), bases)


def _plane_spans(network: Network, pixels: int) -> dict[int, Span]:
    """Of each layer whose planes another one reads."""
    last = {network.source(n): n for n in range(len(network.convs))}
    return {
        n: Span(bank_words(*conv.planes_shape, pixels), n, last[n])
        for n, conv in enumerate(network.convs)
        if n in last
    }


def _residuals(network: Network) -> dict[int, int]:
    """The place whose stream a layer adds, by the layer's; the stem's has a memory of its own."""
    convs = enumerate(network.convs)
    return {
        n: c.stream.residual
        for n, c in convs
        if c.stream and c.stream.residual not in (None, INPUT)
    }


def _owners(network: Network) -> dict[int, int]:
    """For each kept stream, the one whose place it lies in: its own, or its residual's."""
    residuals = _residuals(network)
    last = {added: n for n, added in residuals.items()}
    owners: dict[int, int] = {}
    for n in sorted(network.kept_streams - {INPUT}):
        added = residuals.get(n)
        owners[n] = owners[added] if added is not None and last[added] == n else n
    return owners


def _stream_spans(network: Network, pixels: int) -> dict[int, Span]:
    """Of each place that kept streams lie in, one after the other."""
    residuals, owners = _residuals(network), _owners(network)
    spans: dict[int, Span] = {}
    for n, owner in owners.items():
        channels, height, width = network.producer(n).out_shape
        last = max(reader for reader, added in residuals.items() if added == n)
        first = spans[owner].first if owner in spans else n
        words = tiles(height, width, pixels) * channels
        # A pooled stream is smaller than the one whose place it takes.
        words = max(words, spans[owner].words) if owner in spans else words
        spans[owner] = Span(words, first, last)
    return spans
