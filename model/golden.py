"""The golden integer model: what a network computes, bit for bit, in numpy.

It is the reference between PyTorch and the RTL. A convolution is one matrix product of exactly
representable integers in float32 (sums stay far below 2^24), over windows in which a padded tap
is 0, so that zero padding contributes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from model import bits
from model.format import Conv, Head, Network

__all__ = ["Trace", "accumulate", "classify", "encode", "head_scores", "run", "threshold", "trace"]

BATCH = 64


@dataclass(frozen=True, eq=False)
class Trace:
    """Every tensor of a batch of N images.

    ``planes`` bool [N, c, H, W] after the thermometer; ``activations`` one bool [N, c_out, H, W]
    a convolution, after pooling and threshold; ``scores`` int64 [N, classes]; ``classes`` [N].
    """

    planes: np.ndarray
    activations: tuple[np.ndarray, ...]
    scores: np.ndarray
    classes: np.ndarray


def encode(network: Network, images: np.ndarray) -> np.ndarray:
    """Thermometer planes, bool [N, colours * levels, H, W], of uint8 images [N, colours, H, W]."""
    planes = images[:, :, None] >= network.input_thresholds[None, :, :, None, None]
    return planes.reshape(len(images), -1, *images.shape[2:])


def accumulate(conv: Conv, planes: np.ndarray) -> np.ndarray:
    """Sums of w * x (w, x in -1, +1; padded taps 0), int32 [N, c_out, h, w], before pooling.

    ``planes`` is bool [N, c_in, H, W]; h and w are H and W over the stride, rounded up: windows
    lie around every ``stride``-th row and column from the first on.
    """
    count, c_in, height, width = planes.shape
    _, rows, columns = conv.sums_shape
    # Channels last: a window is then nine contiguous copies of c_in values.
    padded = np.zeros((count, height + 2, width + 2, c_in), np.float32)
    padded[:, 1:-1, 1:-1] = 2 * planes.transpose(0, 2, 3, 1).astype(np.float32) - 1
    windows = np.empty((count, rows, columns, bits.TAPS, c_in), np.float32)
    for tap in range(bits.TAPS):
        dy, dx = divmod(tap, 3)
        around = padded[:, dy : dy + height : conv.stride, dx : dx + width : conv.stride]
        windows[..., tap, :] = around
    weights = bits.kernel_signs(conv.kernels).astype(np.float32)  # [c_out, c_in, 9]
    matrix = weights.transpose(2, 1, 0).reshape(bits.TAPS * c_in, conv.c_out)
    sums = windows.reshape(-1, bits.TAPS * c_in) @ matrix
    return sums.astype(np.int32).reshape(count, rows, columns, -1).transpose(0, 3, 1, 2)


def threshold(conv: Conv, sums: np.ndarray) -> np.ndarray:
    """Max pooling of the sums where the layer has it, then ``(sum >= threshold) xor flip``."""
    if conv.pool == "max2":
        count, channels, height, width = sums.shape
        even = sums[:, :, : height // 2 * 2, : width // 2 * 2]
        sums = even.reshape(count, channels, height // 2, 2, width // 2, 2).max(axis=(3, 5))
    return (sums >= conv.thresholds[:, None, None]) ^ conv.flips[:, None, None]


def head_scores(head: Head, planes: np.ndarray) -> np.ndarray:
    """Scores, int64 [N, classes], of the last activations, bool [N, channels, H, W]."""
    size = planes.shape[2] * planes.shape[3]
    sums = 2 * planes.sum(axis=(2, 3), dtype=np.int64) - size
    return sums @ head.weight.T.astype(np.int64) + head.bias


def trace(network: Network, images: np.ndarray) -> Trace:
    """Run a batch and keep every tensor."""
    planes = encode(network, images)
    activations = []
    x = planes
    for conv in network.convs:
        x = threshold(conv, accumulate(conv, x))
        activations.append(x)
    scores = head_scores(network.head, x)
    # argmax takes the lowest index among equals, as the hardware does.
    return Trace(planes, tuple(activations), scores, scores.argmax(axis=1))


def run(network: Network, images: np.ndarray, batch: int = BATCH) -> Iterator[np.ndarray]:
    """Scores, int64 [n, classes], of ``images`` (uint8 [N, colours, H, W]) batch by batch."""
    for start in range(0, len(images), batch):
        yield trace(network, images[start : start + batch]).scores


def classify(network: Network, images: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """Classes [N] of uint8 images [N, colours, H, W]."""
    if not len(images):
        return np.zeros(0, np.int64)
    return np.concatenate(list(run(network, images, batch))).argmax(axis=1)
