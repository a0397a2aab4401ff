"""How a feature map lies in words of pixels, defined once for compiler, engine and simulation.

A **tile** is a word of ``pixels`` lanes and holds whole rows of the map: ``rows_per_tile`` of
them, the largest power of two that fits. Lane ``i`` holds row ``i // width``, column
``i % width`` of its tile; lanes behind the last row are idle. With powers of two, the tiles of a
map and those of the map after 2x2 pooling always line up.
"""

import numpy as np

__all__ = ["pack_map", "rows_per_tile", "tiles", "unpack_word"]


def rows_per_tile(width: int, pixels: int) -> int:
    """Rows of a map of this width in one word; 0 when the map is wider than the lanes."""
    rows = pixels // width
    return 1 << (rows.bit_length() - 1) if rows else 0


def tiles(height: int, width: int, pixels: int) -> int:
    """Words that hold one channel of a map."""
    return -(-height // rows_per_tile(width, pixels))


def pack_map(planes: np.ndarray, pixels: int) -> list[list[int]]:
    """Words [tiles][channels] of a map, bool [channels, height, width]; idle lanes are 0."""
    _, height, width = planes.shape
    rows = rows_per_tile(width, pixels)
    return [
        [
            sum(1 << int(lane) for lane in np.flatnonzero(plane[top : top + rows]))
            for plane in planes
        ]
        for top in range(0, height, rows)
    ]


def unpack_word(word: int, height: int, width: int, pixels: int, tile: int) -> np.ndarray:
    """The rows, bool [rows, width], that one word holds of a map of this size."""
    rows = min(rows_per_tile(width, pixels), height - tile * rows_per_tile(width, pixels))
    lanes = (word >> lane & 1 for lane in range(rows * width))
    return np.fromiter(lanes, bool, rows * width).reshape(rows, width)
