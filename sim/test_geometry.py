"""Tile geometry against the definition: rows and columns of the map itself."""

import numpy as np
import pytest

from hw.maps.geometry import BESIDE, Geometry
from hw.maps.layout import pack_map, row_tiles, rows_per_tile, tile_columns, tiles, unpack_map

SHAPES = [(1, 1), (2, 32), (3, 32), (5, 32), (7, 28), (8, 32), (10, 32), (28, 28), (28, 64)]


@pytest.mark.parametrize(("width", "pixels"), SHAPES)
def test_rows_are_the_largest_power_of_two_that_fits(width, pixels):
    rows = rows_per_tile(width, pixels)
    assert rows & (rows - 1) == 0
    assert rows * width <= pixels < 2 * rows * width


CUT = [(9, 8), (16, 8), (17, 8), (9, 7), (2, 1), (3, 2), (112, 56)]


@pytest.mark.parametrize(("width", "pixels"), CUT)
def test_rows_wider_than_the_lanes_are_cut_at_even_columns(width, pixels):
    columns = tile_columns(width, pixels)
    assert rows_per_tile(width, pixels) == 1
    assert columns <= pixels and (columns % 2 == 0 or pixels == 1)
    assert 0 < width - (row_tiles(width, pixels) - 1) * columns <= columns


@pytest.mark.parametrize(("width", "pixels"), SHAPES + CUT)
@pytest.mark.parametrize("height", [1, 2, 5, 8])
def test_words_hold_the_map(width, pixels, height, seed):
    planes = np.random.default_rng(seed).random((3, height, width)) < 0.5
    words = pack_map(planes, pixels)
    assert len(words) == tiles(height, width, pixels)
    for channel, plane in enumerate(planes):
        found = unpack_map([word[channel] for word in words], height, width, pixels)
        assert np.array_equal(found, plane)


@pytest.mark.parametrize(("width", "pixels"), SHAPES)
def test_neighbours_are_a_row_away(width, pixels):
    geometry = Geometry(width, pixels)
    start = {"previous": -geometry.lanes, "current": 0, "next": geometry.lanes}
    for lane in range(geometry.lanes):
        tile, place = geometry.above(lane)
        assert start[tile] + place == lane - width
        tile, place = geometry.below(lane)
        assert start[tile] + place == lane + width


@pytest.mark.parametrize(("width", "pixels"), [*SHAPES, (5, 20), (3, 12)])
def test_a_part_at_stride_two_holds_every_second_row_and_column(width, pixels):
    """Places of a tap's lanes, tile by tile, against the map's own positions."""
    geometry = Geometry(width, pixels, 2)
    assert geometry.parts * geometry.part_lanes == geometry.outputs.lanes <= pixels
    lanes = Geometry(width, pixels).lanes
    for row in (-1, 0, 1):
        for column in (0, 1):
            places = geometry.taps(row, column)
            assert len(places) == geometry.part_lanes
            for lane, place in enumerate(places):
                out_row, out_column = divmod(lane, geometry.outputs.width)
                wanted = 2 * out_column + column
                if place is None:
                    assert wanted == width
                    continue
                start = {"previous": -lanes, "current": 0, "next": lanes}[place[0]]
                assert start + place[1] == (2 * out_row + row) * width + wanted
                assert 0 <= place[1] < lanes


@pytest.mark.parametrize(
    ("width", "pixels"),
    [(9, 8), (16, 8), (17, 8), (18, 8), (35, 8), (13, 7), (14, 7), (15, 7), (6, 3), (2, 1), (5, 1)],
)
def test_a_tile_of_outputs_takes_three_tiles_of_a_cut_row(width, pixels):
    """Taps to the middle and to the right of every output, against the columns of the map."""
    geometry = Geometry(width, pixels, 2)
    outputs = geometry.outputs
    assert outputs.rows == 1
    for tile in range(outputs.row_tiles):
        middle = geometry.first_middle + 2 * tile
        for column in (0, 1):
            places = geometry.cut_taps(column)
            assert len(places) == outputs.columns
            for lane, (part, place) in enumerate(places):
                wanted = 2 * (tile * outputs.columns + lane) + column
                assert (middle + BESIDE[part]) * geometry.columns + place == wanted
                assert 0 <= place < geometry.columns
        # The tap to the left of the first lane: the last column of the tile to the left.
        assert outputs.row_tiles == 1 or geometry.columns * middle == 2 * tile * outputs.columns


POOLED = [*(shape for shape in SHAPES if shape[0] > 1), (9, 8), (16, 8), (17, 8), (9, 7), (3, 2),
          (18, 8), (19, 8), (33, 8), (35, 8), (2, 1), (3, 1), (4, 1), (15, 7), (16, 7)]  # fmt: skip


@pytest.mark.parametrize(("width", "pixels"), POOLED)
@pytest.mark.parametrize("height", [2, 5, 8])
def test_pooled_tiles_make_the_pooled_map(width, pixels, height, seed):
    geometry = Geometry(width, pixels)
    plane = np.random.default_rng(seed).random((1, height, width)) < 0.3
    even = plane[0, : height // 2 * 2, : width // 2 * 2]
    expected = even.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3))

    gathered = {}
    slots, computed = geometry.pooled_slots, geometry.pooled_tiles
    for tile, word in enumerate(pack_map(plane, pixels)):
        row, column = divmod(tile, geometry.row_tiles)
        if column >= computed:
            continue
        place, slot = divmod(row * computed + column, slots)
        if geometry.pooled.row_tiles > 1:
            place, slot = row // 2 * geometry.pooled.row_tiles + column // 2, column % 2
        lanes = [
            any(word[0] >> source & 1 for source in sources)
            for sources in geometry.pooled_sources()
        ]
        value = sum(bit << lane for lane, bit in enumerate(lanes))
        value &= geometry.pooled_mask(slot)
        shift = geometry.pooled_offset(slot)
        gathered[place] = gathered.get(place, 0) | value << shift
    words = [gathered[place] for place in range(tiles(*expected.shape, pixels))]
    assert np.array_equal(unpack_map(words, *expected.shape, pixels), expected)
