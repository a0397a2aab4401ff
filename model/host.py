"""What the host does for an engine: it sends pixels, or computes the stem and sends its stream.

A stem has 8-bit weights and pixels, and few input channels; the engine's array is made for binary
ones and many (docs/architecture.md has the figures). The host computes it in whole numbers by
`model.golden`, so nothing is rounded twice.
"""

import numpy as np

from model import golden
from model.network import Network

__all__ = ["engine_input"]

PIXEL, VALUE = np.dtype("u1"), np.dtype("<u2")  # of PIXEL_BITS, VALUE_BITS


def engine_input(network: Network, images: np.ndarray) -> np.ndarray:
    """What is sent for uint8 images [N, colours, H, W]: [N, numbers], their bytes in this order.

    Pixels are uint8; values of a stem's stream are in two's complement, uint16, little-endian.
    Channels come in turn, each row by row.
    """
    count = len(images)
    if network.stem is None:
        return np.ascontiguousarray(images, PIXEL).reshape(count, -1)
    stream, _ = golden.stem_outputs(network, images)
    return stream.astype(np.int16).view(np.uint16).astype(VALUE).reshape(count, -1)
