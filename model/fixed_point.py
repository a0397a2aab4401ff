"""From whole sums to what a layer puts out: fixed-point stream, pooling, bit planes. Numpy only.

The one definition of every rounding and saturation behind a convolution. Streams are int64; ``>>``
rounds towards minus infinity, so whoever wants the nearest adds half a step to the offset.
"""

import numpy as np

from model.network import Conv, Pointwise, Pooling, Prelu, Stem, Stream

__all__ = ["SLOPE_SHIFT", "planes_of", "pooled", "saturate", "scaled", "streamed", "values_of"]

SLOPE_SHIFT = 6


def values_of(planes: np.ndarray, width: int) -> np.ndarray:
    """The odd numbers, int16 [N, c, H, W], that bool planes [N, width * c, H, W] hold."""
    count, total, *rest = planes.shape
    signs = 2 * planes.reshape(count, width, total // width, *rest).astype(np.int16) - 1
    return sum(signs[:, width - 1 - plane] << plane for plane in range(width))


def saturate(values: np.ndarray, bits: int) -> np.ndarray:
    """Numbers held to what ``bits`` bits in two's complement can say."""
    return values.clip(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def scaled(stream: Stream, sums: np.ndarray) -> np.ndarray:
    """``(sums * m + b) >> shift`` with the channel's multiplier and offset, sums [N, c, h, w]."""
    sums = sums.astype(np.int64)
    gain, offset = (_channels(n) for n in (stream.multipliers, stream.offsets))
    return (sums * gain + offset) >> stream.shift


def streamed(stream: Stream, sums: np.ndarray, residual: np.ndarray | None) -> np.ndarray:
    """The stream before pooling: scaled, the residual added, saturated, PReLU, saturated."""
    values = scaled(stream, sums)
    if residual is not None:
        values = values + residual
    values = saturate(values, stream.bits)
    return values if stream.prelu is None else _prelu(stream.prelu, values, stream.bits)


def _prelu(prelu: Prelu, values: np.ndarray, bits: int) -> np.ndarray:
    moved = values + _channels(prelu.before)
    bent = np.where(moved < 0, (moved * _channels(prelu.slopes)) >> SLOPE_SHIFT, moved)
    return saturate(bent + _channels(prelu.after), bits)


def pooled(pool: str, values: np.ndarray) -> np.ndarray:
    """2x2 pooling of [N, c, h, w]: "none", "max2", or "avg2", the mean rounded half up; or "max3",
    the maximum of the 3x3 squares around every second row and column. An odd last row or column
    has no 2x2 square and is left out."""
    if pool == "none":
        return values
    count, channels, height, width = values.shape
    if pool == "max3":
        lowest = np.iinfo(values.dtype).min
        around = np.pad(values, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=lowest)
        rows = [around[:, :, y : y + height : 2] for y in range(3)]
        return np.max([row[..., x : x + width : 2] for row in rows for x in range(3)], axis=0)
    even = values[:, :, : height // 2 * 2, : width // 2 * 2]
    squares = even.reshape(count, channels, height // 2, 2, width // 2, 2)
    if pool == "max2":
        return squares.max(axis=(3, 5))
    return (squares.sum(axis=(3, 5)) + 2) >> 2


def planes_of(layer: Conv | Pointwise | Pooling | Stem, values: np.ndarray) -> np.ndarray:
    """Bit planes, bool [N, out_bits * c, h, w], of sums or stream [N, c, h, w].

    The level ``((value - threshold) >> step) + 2^(out_bits - 1)``, held to 0..2^out_bits - 1; one
    bit is thus ``value >= threshold``. A set flip turns all bits of its channel over.
    """
    width = layer.out_bits
    if width == 1 and layer.step == 0:
        return (values >= layer.thresholds[:, None, None]) ^ layer.flips[:, None, None]
    half = 1 << (width - 1)
    levels = ((values - _channels(layer.thresholds)) >> layer.step) + half
    levels = levels.clip(0, 2 * half - 1) ^ _channels(layer.flips) * (2 * half - 1)
    count, channels, *rest = levels.shape
    planes = [levels >> plane & 1 for plane in reversed(range(width))]
    return np.stack(planes, axis=1).reshape(count, width * channels, *rest).astype(bool)


def _channels(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int64)[:, None, None]
