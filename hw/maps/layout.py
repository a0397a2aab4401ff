"""How a feature map lies in words of pixels, defined once for compiler, engine and simulation.

A **tile** is a word of ``pixels`` lanes and holds whole rows of the map: ``rows_per_tile`` of
them, the largest power of two that fits. Lane ``i`` holds row ``i // width``, column
``i % width`` of its tile; lanes behind the last row are idle. With powers of two, the tiles of a
map and those of the map after 2x2 pooling always line up.

A row that is wider than the lanes is cut: a tile then holds ``tile_columns`` of one row, an even
number, so that pooling never crosses a cut; its last tile holds what is left. Tiles are counted
row by row.
"""

import numpy as np

__all__ = [
    "pack_map",
    "row_tiles",
    "rows_per_tile",
    "tile_columns",
    "tiles",
    "unpack_map",
    "unpack_numbers",
]


def tile_columns(width: int, pixels: int) -> int:
    """Columns of a map of this width in one word."""
    return width if width <= pixels else max(pixels - pixels % 2, 1)


def row_tiles(width: int, pixels: int) -> int:
    """Words that a row is cut into: 1 unless it is wider than the lanes."""
    return -(-width // tile_columns(width, pixels))


def rows_per_tile(width: int, pixels: int) -> int:
    """Rows of a map of this width in one word."""
    return 1 << ((pixels // width).bit_length() - 1) if width <= pixels else 1


def tiles(height: int, width: int, pixels: int) -> int:
    """Words that hold one channel of a map."""
    return -(-height // rows_per_tile(width, pixels)) * row_tiles(width, pixels)


def pack_map(planes: np.ndarray, pixels: int) -> list[list[int]]:
    """Words [tiles][channels] of a map, bool [channels, height, width]; idle lanes are 0."""
    _, height, width = planes.shape
    rows, columns = rows_per_tile(width, pixels), tile_columns(width, pixels)
    return [
        [
            sum(
                1 << int(lane)
                for lane in np.flatnonzero(plane[top : top + rows, left : left + columns])
            )
            for plane in planes
        ]
        for top in range(0, height, rows)
        for left in range(0, width, columns)
    ]


def unpack_map(words: list[int], height: int, width: int, pixels: int) -> np.ndarray:
    """The map, bool [height, width], of one channel's words, tile by tile."""
    return unpack_numbers(words, height, width, pixels, 1).astype(bool)


def unpack_numbers(
    words: list[int], height: int, width: int, pixels: int, bits: int
) -> np.ndarray:
    """The same, int64, of words with ``bits`` bits a lane: a signed number, or a single bit."""
    columns, mask = tile_columns(width, pixels), (1 << bits) - 1
    lanes = range(0, rows_per_tile(width, pixels) * columns * bits, bits)
    numbers = np.array([[word >> lane & mask for lane in lanes] for word in words], np.int64)
    sign = 1 << (bits - 1) if bits > 1 else 0
    numbers = (numbers ^ sign) - sign
    return numbers.reshape(-1, row_tiles(width, pixels) * columns)[:height, :width]
