"""What every network must fulfil before it is used or written."""

import numpy as np

from model import bits
from model.errors import UserError
from model.network import Conv, Head, Network

__all__ = ["MAX_CHANNELS", "MAX_CLASSES", "MAX_SIDE", "STRIDES", "TAUS", "check_network"]

TAUS = (3, 4, 5, 6, bits.TAPS)
POOLS = ("none", "max2")
STRIDES = (1, 2)
MAX_SIDE = 1024
MAX_CHANNELS = 4096
MAX_CLASSES = 256


def check_network(network: Network, where: str) -> None:
    """The rules that join tensors: shapes chain, indices lie in the codebook, ranges hold.

    Raises UserError with one line that begins with ``where`` and names the layer or tensor.
    """

    def require(holds: bool, what: str, problem: str) -> None:
        if not holds:
            raise UserError(f"{where}: {what}: {problem}")

    colours, height, width = network.image
    require(
        1 <= colours <= 4 and 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE,
        "image",
        f"{network.image} is not 1 to 4 colours of 1 to {MAX_SIDE} rows and columns",
    )
    planes = network.input_thresholds
    require(
        planes.ndim == 2 and planes.shape[0] == colours and 1 <= planes.shape[1] <= 255,
        "input.thresholds",
        f"shape {planes.shape} is not ({colours}, 1 to 255 levels)",
    )
    require(len(network.layers) >= 2, "layers", "a network is at least one conv3x3 and a head")
    require(isinstance(network.layers[-1], Head), "layers", "the last layer must be a head")
    shape = (planes.size, height, width)
    for place, layer in enumerate(network.layers[:-1]):
        what = f"layer {place} ({layer.name})"
        require(isinstance(layer, Conv), what, "only the last layer may be a head")
        _check_conv(require, place, layer, what, shape)
        shape = layer.out_shape
    head = network.head
    what = f"layer {len(network.layers) - 1} ({head.name})"
    given = (head.channels, head.height, head.width)
    require(given == shape, what, f"input shape {given} is not the last layer's output {shape}")


def _check_conv(require, place: int, conv: Conv, what: str, shape: tuple[int, int, int]) -> None:
    given = (conv.c_in, conv.height, conv.width)
    require(given == shape, what, f"input shape {given} is not what comes before it: {shape}")
    require(conv.tau in TAUS, what, f"tau {conv.tau} is not one of {TAUS}")
    require(conv.pool in POOLS, what, f"pool {conv.pool!r} is not one of {', '.join(POOLS)}")
    require(conv.padding == "zero", what, f"padding {conv.padding!r} is not 'zero'")
    require(conv.stride in STRIDES, what, f"stride {conv.stride!r} is not one of {STRIDES}")
    _, height, width = conv.sums_shape
    require(
        conv.pool == "none" or min(height, width) >= 2,
        what,
        f"a {height}x{width} map cannot be pooled 2x2",
    )
    codebook, entries = conv.codebook, 1 << conv.tau
    require(codebook.shape == (entries,), f"{place}.codebook", f"must have {entries} entries")
    require(
        int(codebook.max()) < bits.KERNELS and len(np.unique(codebook)) == entries,
        f"{place}.codebook",
        "entries must be different kernel numbers below 512",
    )
    require(
        int(conv.indices.max()) < entries and int(conv.indices.min()) >= 0,
        f"{place}.indices",
        f"index {int(conv.indices.max())} is past the codebook of {entries} entries",
    )
    low, high = -bits.TAPS * conv.c_in, bits.TAPS * conv.c_in + 1
    require(
        low <= int(conv.thresholds.min()) and int(conv.thresholds.max()) <= high,
        f"{place}.thresholds",
        f"must lie from {low} to {high}, what {conv.c_in} input channels can sum up to",
    )
