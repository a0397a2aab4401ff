"""The golden integer model: what a network computes, bit for bit, in numpy.

It is the reference between PyTorch and the RTL. A convolution is one matrix product of exactly
representable integers in floats (float32 while sums stay below 2^24), over windows in which a tap
outside the map holds what the layer's padding says: 0 contributes nothing. What becomes of the
sums is defined in `model.fixed_point`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from model import bits
from model.fixed_point import planes_of, pooled, streamed, values_of
from model.network import INPUT, PIXEL_BITS, Conv, Head, Network, Pointwise, Pooling, Stem

__all__ = [
    "Trace",
    "accumulate",
    "classify",
    "encode",
    "head_scores",
    "run",
    "stem_outputs",
    "threshold",
    "trace",
]

BATCH = 64
EXACT_FLOAT32 = 1 << 24


@dataclass(frozen=True, eq=False)
class Trace:
    """Every tensor of a batch of N images.

    ``planes`` bool [N, c, H, W], the input's, encoded or behind the stem, and ``stream``, the
    stem's (or None). For each layer but the head, by its place: ``activations``, bool
    [N, planes, H, W], what it puts out after pooling and threshold, and ``streams``, int64
    [N, c_out, H, W]; None where it puts out no such thing. ``scores`` int64 [N, classes];
    ``classes`` [N].
    """

    planes: np.ndarray
    activations: tuple[np.ndarray | None, ...]
    scores: np.ndarray
    classes: np.ndarray
    stream: np.ndarray | None = None
    streams: tuple[np.ndarray | None, ...] = ()


def encode(network: Network, images: np.ndarray) -> np.ndarray:
    """Input planes, bool [N, planes, H, W], of uint8 images [N, colours, H, W]; not for a stem.

    Thermometer: plane ``colour * levels + level``. Binary: highest bit first, each of all colours.
    """
    if network.encoding == "binary":
        places = np.arange(PIXEL_BITS)[::-1, None, None, None]
        planes = images[:, None] >> places & 1
        return planes.reshape(len(images), -1, *images.shape[2:]).astype(bool)
    planes = images[:, :, None] >= network.input_thresholds[None, :, :, None, None]
    return planes.reshape(len(images), -1, *images.shape[2:])


def accumulate(layer: Conv | Pointwise | Stem, planes: np.ndarray) -> np.ndarray:
    """Sums of weight times value, integers [N, c_out, h, w], before pooling.

    ``planes`` is bool [N, in_bits * c_in, H, W], or for a stem uint8 pixels; h and w are H and W
    over the stride, rounded up: windows lie around every ``stride``-th row and column from the
    first on.
    """
    if isinstance(layer, Stem):
        return _correlate(2 * planes.astype(np.int16) - 255, layer.weight, layer.stride, 255, 0)
    values, largest = values_of(planes, layer.in_bits), (1 << layer.in_bits) - 1
    if isinstance(layer, Pointwise):
        if layer.flatten:
            values = values.reshape(len(values), -1, 1, 1)
        return _correlate(values, layer.weights[:, :, None, None], layer.stride, largest, 0)
    weights = bits.kernel_signs(layer.kernels).reshape(layer.c_out, layer.c_in, 3, 3)
    outside = {"zero": 0, "plus": 1, "minus": -1}[layer.padding] * largest
    return _correlate(values, weights, layer.stride, largest, outside)


def _correlate(
    values: np.ndarray, weights: np.ndarray, stride: int, largest: int, outside: int
) -> np.ndarray:
    """Sums, [N, c_out, h, w], of values [N, c_in, H, W] and weights [c_out, c_in, k, k].

    ``largest`` bounds the values, ``outside`` is what lies around them.
    """
    count, c_in, height, width = values.shape
    c_out, _, side, _ = weights.shape
    most = side * side * c_in * largest * int(np.abs(weights.astype(np.int64)).max())
    exact = most < EXACT_FLOAT32
    kind = np.float32 if exact else np.float64
    rows, columns = -(-height // stride), -(-width // stride)
    edge = side // 2
    # Channels last: a window is then contiguous copies of c_in values.
    padded = np.full((count, height + 2 * edge, width + 2 * edge, c_in), outside, kind)
    padded[:, edge : edge + height, edge : edge + width] = values.transpose(0, 2, 3, 1)
    windows = np.empty((count, rows, columns, side * side, c_in), kind)
    for tap in range(side * side):
        dy, dx = divmod(tap, side)
        windows[..., tap, :] = padded[:, dy : dy + height : stride, dx : dx + width : stride]
    matrix = weights.astype(kind).reshape(c_out, c_in, -1).transpose(2, 1, 0).reshape(-1, c_out)
    # All are finite whole numbers; some BLAS leave the processor's flag set that says otherwise.
    with np.errstate(invalid="ignore"):
        sums = windows.reshape(-1, side * side * c_in) @ matrix
    sums = sums.astype(np.int32 if exact else np.int64)
    return sums.reshape(count, rows, columns, -1).transpose(0, 3, 1, 2)


def threshold(layer: Conv | Pointwise, sums: np.ndarray) -> np.ndarray:
    """The planes that a layer without a stream makes of its sums: pooled, then compared."""
    return planes_of(layer, pooled(layer.pool, sums))


def _outputs(
    layer: Conv | Pointwise | Pooling | Stem, sums: np.ndarray, residual: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(stream, planes) that a layer puts out, each None where there is none."""
    stream = None if layer.stream is None else streamed(layer.stream, sums, residual)
    values = pooled(layer.pool, sums if stream is None else stream)
    planes = planes_of(layer, values) if layer.out_bits else None
    return None if stream is None else values, planes


def stem_outputs(network: Network, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The stem's stream, int64 [N, c, h, w], of uint8 images, and its planes (None without)."""
    return _outputs(network.stem, accumulate(network.stem, images), None)


def head_scores(head: Head, values: np.ndarray) -> np.ndarray:
    """Scores, int64 [N, classes], of the last planes, bool [N, channels, H, W], or stream."""
    if values.dtype == bool:
        values = 2 * values.astype(np.int64) - 1
    sums = values.reshape(len(values), -1) if head.flatten else values.sum(axis=(2, 3))
    return sums.astype(np.int64) @ head.weight.T.astype(np.int64) + head.bias


def trace(network: Network, images: np.ndarray) -> Trace:
    """Run a batch and keep every tensor."""
    if network.stem is not None:
        stream, planes = stem_outputs(network, images)
    else:
        stream, planes = None, encode(network, images)
    maps, streams = {INPUT: planes}, {INPUT: stream}
    for place, layer in enumerate(network.convs):
        added = layer.stream.residual if layer.stream else None
        residual = None if added is None else streams[added]
        if isinstance(layer, Pooling):
            sums = np.zeros_like(residual)
        else:
            sums = accumulate(layer, maps[network.source(place)])
        streams[place], maps[place] = _outputs(layer, sums, residual)
    last = len(network.convs) - 1
    scores = head_scores(network.head, (streams if network.head.on == "stream" else maps)[last])
    activations, kept = ([found[n] for n in range(last + 1)] for found in (maps, streams))
    # argmax takes the lowest index among equals, as the hardware does.
    classes = scores.argmax(axis=1)
    return Trace(planes, tuple(activations), scores, classes, stream, tuple(kept))


def run(network: Network, images: np.ndarray, batch: int = BATCH) -> Iterator[np.ndarray]:
    """Scores, int64 [n, classes], of ``images`` (uint8 [N, colours, H, W]) batch by batch."""
    for start in range(0, len(images), batch):
        yield trace(network, images[start : start + batch]).scores


def classify(network: Network, images: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """Classes [N] of uint8 images [N, colours, H, W]."""
    if not len(images):
        return np.zeros(0, np.int64)
    return np.concatenate(list(run(network, images, batch))).argmax(axis=1)
