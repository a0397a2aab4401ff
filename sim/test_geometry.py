"""Tile geometry against the definition: rows and columns of the map itself."""

import numpy as np
import pytest

from hw.geometry import Geometry
from hw.layout import pack_map, rows_per_tile, tiles, unpack_word

SHAPES = [(1, 1), (2, 32), (3, 32), (5, 32), (7, 28), (8, 32), (10, 32), (28, 28), (28, 64)]


@pytest.mark.parametrize(("width", "pixels"), SHAPES)
def test_rows_are_the_largest_power_of_two_that_fits(width, pixels):
    rows = rows_per_tile(width, pixels)
    assert rows & (rows - 1) == 0
    assert rows * width <= pixels < 2 * rows * width


def test_no_row_fits_into_too_few_lanes():
    assert rows_per_tile(9, 8) == 0


@pytest.mark.parametrize(("width", "pixels"), SHAPES)
@pytest.mark.parametrize("height", [1, 2, 5, 8])
def test_words_hold_the_map(width, pixels, height, seed):
    planes = np.random.default_rng(seed).random((3, height, width)) < 0.5
    words = pack_map(planes, pixels)
    assert len(words) == tiles(height, width, pixels)
    for channel, plane in enumerate(planes):
        rows = [
            unpack_word(word[channel], height, width, pixels, tile)
            for tile, word in enumerate(words)
        ]
        assert np.array_equal(np.concatenate(rows), plane)


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


@pytest.mark.parametrize(("width", "pixels"), [shape for shape in SHAPES if shape[0] > 1])
@pytest.mark.parametrize("height", [2, 5, 8])
def test_pooled_tiles_make_the_pooled_map(width, pixels, height, seed):
    geometry = Geometry(width, pixels)
    plane = np.random.default_rng(seed).random((1, height, width)) < 0.3
    even = plane[0, : height // 2 * 2, : width // 2 * 2]
    expected = even.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3))

    gathered = {}
    for tile, word in enumerate(pack_map(plane, pixels)):
        lanes = [
            any(word[0] >> source & 1 for source in sources)
            for sources in geometry.pooled_sources()
        ]
        value = sum(bit << lane for lane, bit in enumerate(lanes))
        place = tile // geometry.pooled_slots
        shift = geometry.pooled_offset(tile % geometry.pooled_slots)
        gathered[place] = gathered.get(place, 0) | value << shift
    for place, words in enumerate(pack_map(expected[None], pixels)):
        found = unpack_word(gathered[place], *expected.shape, pixels, place)
        assert np.array_equal(found, unpack_word(words[0], *expected.shape, pixels, place))
