"""Batch norm and scales in whole numbers: thresholds on sums, multipliers of a stream."""

import numpy as np
from torch import Tensor, nn

from model.errors import UserError
from model.rules import MAX_SHIFT

__all__ = ["affine", "cut", "multipliers"]

INT16_MAX, INT32_MAX = (1 << 15) - 1, (1 << 31) - 1


def affine(norm: nn.BatchNorm2d | None, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(slope, offset), float64 [c_out]: in evaluation the norm makes ``slope * sum + offset`` of
    whole sums that reach it multiplied by ``scales``."""
    scales = scales.astype(np.float64)
    if norm is None:
        return scales, np.zeros_like(scales)

    def wide(tensor: Tensor | None, otherwise: float) -> np.ndarray:
        if tensor is None:
            return np.full(norm.num_features, otherwise)
        return tensor.detach().cpu().numpy().astype(np.float64)

    gain = wide(norm.weight, 1.0) / np.sqrt(wide(norm.running_var, 1.0) + norm.eps)
    offset = wide(norm.bias, 0.0) - gain * wide(norm.running_mean, 0.0)
    return gain * scales, offset


def cut(slope: np.ndarray, offset: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds int32 and flips bool, [c_out], equal to ``slope * sum + offset >= 0``.

    bit = (sum >= threshold) xor flip. Computed in float64. Sums lie within +-largest; thresholds
    are held to -largest .. largest + 1, beyond which nothing changes.
    """
    low, high = -largest, largest + 1
    constant, falling = slope == 0, slope < 0
    # The sum at which slope * sum + offset crosses zero; a tiny slope may put it at infinity.
    with np.errstate(over="ignore"):
        edge = np.clip(-offset / np.where(constant, 1.0, slope), low - 1, high)
    thresholds = np.where(falling, np.floor(edge) + 1, np.ceil(edge))
    # A flat channel: the threshold that no sum reaches, and the constant as the flip.
    thresholds = np.where(constant, high, thresholds)
    flips = np.where(constant, offset >= 0, falling)
    return np.clip(thresholds, low, high).astype(np.int32), flips


def multipliers(
    slope: np.ndarray, offset: np.ndarray, fraction: int, path: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """(multipliers int16, offsets int32, shift) of a stream with ``2^fraction`` steps to 1.

    ``(sum * m + b) >> shift`` is then ``slope * sum + offset`` in steps, rounded to the nearest:
    half a step is in b. The shift is the largest for which all fit. Raises UserError, naming
    ``path``, where even shift 0 is too much.
    """
    gain, base = slope * 2.0**fraction, offset * 2.0**fraction
    shift = MAX_SHIFT
    while shift >= 0:
        m, b = np.rint(gain * 2.0**shift), np.rint((base + 0.5) * 2.0**shift)
        if np.abs(m).max() <= INT16_MAX and np.abs(b).max() <= INT32_MAX:
            return m.astype(np.int16), b.astype(np.int32), shift
        shift -= 1
    raise UserError(
        f"{path}: its largest factor, {np.abs(gain).max():.3g} steps of the stream a unit of the "
        f"sums, is past {INT16_MAX}: give the stream fewer bits, or train with weight decay"
    )
