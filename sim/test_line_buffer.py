"""Banks and line buffer together: every lane's window against a padded map."""

import numpy as np
import pytest

from hw.line_buffer import LineBuffer
from hw.maps.banks import BANKS, BankedMemory
from hw.maps.geometry import Geometry
from hw.maps.layout import pack_map
from sim.clocked import simulate


@pytest.mark.parametrize(
    ("height", "width", "pixels"),
    [(8, 8, 32), (5, 7, 16), (1, 1, 1), (1, 6, 8), (6, 1, 4), (3, 4, 4), (9, 3, 6), (2, 5, 32)],
)
def test_windows(height, width, pixels, seed):
    rng = np.random.default_rng(seed)
    plane = rng.random((height, width)) < 0.5
    padded = np.zeros((height + 2, width + 2), bool)
    padded[1:-1, 1:-1] = plane
    # A second width makes sure that the multiplexers choose.
    geometries = (Geometry(width, pixels), Geometry(1, pixels))
    geometry = geometries[0]
    lanes_of = [
        sum(1 << lane for lane in range(geometry.lanes) if lane % width == column)
        for column in (0, width - 1)
    ]
    dut = LineBuffer(geometries, pixels)
    noise = [int(rng.integers(1 << pixels)) for _ in range(BANKS)]
    words = [row[0] for row in pack_map(plane[None], pixels)]

    async def testbench(ctx):
        for tile in range(len(words)):
            banks = list(noise)
            for near in (tile - 1, tile, tile + 1):
                if 0 <= near < len(words):
                    banks[near % BANKS] = words[near]
            for bank, word in enumerate(banks):
                ctx.set(dut.words[bank], word)
            rows = [tile * geometry.rows + row for row in range(geometry.rows)]
            for port, wanted in ((dut.first_rows, 0), (dut.last_rows, height - 1)):
                mask = sum(
                    geometry.row_lanes(place) for place, row in enumerate(rows) if row == wanted
                )
                ctx.set(port, mask)
            ctx.set(dut.phase, tile % BANKS)
            ctx.set(dut.geometry, 0)
            ctx.set(dut.first_columns, lanes_of[0])
            ctx.set(dut.last_columns, lanes_of[1])
            await ctx.tick().repeat(LineBuffer.latency)
            windows = ctx.get(dut.windows)
            for place, row in enumerate(rows):
                for column in range(width if row < height else 0):
                    window = padded[row : row + 3, column : column + 3].reshape(-1)
                    expected = sum(1 << tap for tap in np.flatnonzero(window).tolist())
                    lane = place * width + column
                    assert windows >> 9 * lane & 511 == expected, (row, column)

    simulate(dut, testbench)


@pytest.mark.parametrize(
    ("height", "width", "pixels"),
    [(8, 8, 32), (9, 8, 8), (5, 7, 16), (1, 1, 1), (2, 1, 4), (1, 6, 8), (7, 5, 20), (13, 3, 6)],
)
def test_windows_at_stride_two(height, width, pixels, seed):
    """One read or two a word of outputs, against the windows of a padded map."""
    rng = np.random.default_rng(seed)
    plane = rng.random((height, width)) < 0.5
    padded = np.zeros((height + 2, width + 2), bool)
    padded[1:-1, 1:-1] = plane
    geometry = Geometry(width, pixels, 2)
    outputs = geometry.outputs
    dut = LineBuffer((Geometry(width, pixels), geometry), pixels)
    noise = [int(rng.integers(1 << pixels)) for _ in range(BANKS)]
    words = [row[0] for row in pack_map(plane[None], pixels)]
    rows, columns = -(-height // 2), -(-width // 2)

    async def testbench(ctx):
        ctx.set(dut.geometry, 1)
        ctx.set(dut.first_columns, outputs.first_column)
        ctx.set(dut.last_columns, outputs.last_column if width % 2 else 0)
        for top in range(0, rows, outputs.rows):
            places = range(top, min(top + outputs.rows, rows))
            bottom = outputs.row_lanes(rows - 1 - top) if rows - 1 in places else 0
            ctx.set(dut.first_rows, outputs.row_lanes(0) if top == 0 else 0)
            ctx.set(dut.last_rows, bottom if height % 2 else 0)
            for part in range(geometry.parts):
                middle = 2 * (top // geometry.rows + part)
                banks = list(noise)
                for near in (middle - 1, middle, middle + 1):
                    if 0 <= near < len(words):
                        banks[near % BANKS] = words[near]
                for bank, word in enumerate(banks):
                    ctx.set(dut.words[bank], word)
                ctx.set(dut.phase, middle % BANKS)
                ctx.set(dut.part, part)
                await ctx.tick().repeat(LineBuffer.latency)
            windows = ctx.get(dut.windows)
            for row in places:
                for column in range(columns):
                    window = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3].reshape(-1)
                    expected = sum(1 << tap for tap in np.flatnonzero(window).tolist())
                    lane = (row - top) * columns + column
                    assert windows >> 9 * lane & 511 == expected, (row, column)

    simulate(dut, testbench)


@pytest.mark.parametrize(
    ("height", "width", "pixels"), [(4, 9, 8), (1, 6, 4), (3, 5, 2), (2, 3, 1), (5, 13, 5)]
)
def test_windows_of_a_cut_map(height, width, pixels, seed):
    """The tiles to the left, to the right, and the tile itself, in three reads."""
    rng = np.random.default_rng(seed)
    plane = rng.random((height, width)) < 0.5
    padded = np.zeros((height + 2, width + 2), bool)
    padded[1:-1, 1:-1] = plane
    geometry = Geometry(width, pixels)
    dut = LineBuffer((Geometry(1, pixels), geometry), pixels)
    words = [row[0] for row in pack_map(plane[None], pixels)]
    cuts = geometry.row_tiles

    def word(row: int, tile: int) -> int:
        inside = 0 <= row < height and 0 <= tile < cuts
        return words[row * cuts + tile] if inside else int(rng.integers(1 << pixels))

    async def testbench(ctx):
        ctx.set(dut.geometry, 1)
        for row, tile in np.ndindex(height, cuts):
            ctx.set(dut.first_rows, geometry.row_lanes(0) if row == 0 else 0)
            ctx.set(dut.last_rows, geometry.row_lanes(0) if row == height - 1 else 0)
            ctx.set(dut.first_columns, geometry.first_column if tile == 0 else 0)
            ctx.set(dut.last_columns, geometry.last_column if tile == cuts - 1 else 0)
            ctx.set(dut.phase, row % BANKS)
            for part, beside in enumerate((-1, 1, 0)):
                for near in (row - 1, row, row + 1):
                    ctx.set(dut.words[near % BANKS], word(near, tile + beside))
                ctx.set(dut.part, part)
                await ctx.tick().repeat(LineBuffer.latency)
            windows = ctx.get(dut.windows)
            left = tile * geometry.columns
            for column in range(left, min(left + geometry.columns, width)):
                window = padded[row : row + 3, column : column + 3].reshape(-1)
                expected = sum(1 << tap for tap in np.flatnonzero(window).tolist())
                assert windows >> 9 * (column - left) & 511 == expected, (row, column)

    simulate(dut, testbench)


@pytest.mark.parametrize(
    ("height", "width", "pixels"),
    [(4, 9, 8), (3, 16, 8), (5, 17, 8), (2, 18, 8), (3, 35, 8), (1, 13, 7), (3, 14, 7), (2, 15, 7),
     (3, 6, 3), (2, 2, 1), (3, 5, 1)],
)  # fmt: skip
def test_windows_of_a_cut_map_at_stride_two(height, width, pixels, seed):
    """Outputs of two tiles and a column, or of all of a row's tiles, in three reads."""
    rng = np.random.default_rng(seed)
    plane = rng.random((height, width)) < 0.5
    padded = np.zeros((height + 3, width + 3), bool)
    padded[1 : height + 1, 1 : width + 1] = plane
    geometry = Geometry(width, pixels, 2)
    outputs, cuts = geometry.outputs, geometry.row_tiles
    # With others beside it, whose windows are made in other ways.
    dut = LineBuffer((Geometry(1, pixels, 2), Geometry(width, pixels), geometry), pixels)
    words = [row[0] for row in pack_map(plane[None], pixels)]

    def word(row: int, tile: int) -> int:
        inside = 0 <= row < height and 0 <= tile < cuts
        return words[row * cuts + tile] if inside else int(rng.integers(1 << pixels))

    async def testbench(ctx):
        ctx.set(dut.geometry, 2)
        for row, tile in np.ndindex(-(-height // 2), outputs.row_tiles):
            middle = geometry.first_middle + 2 * tile
            over = 2 * row + 1 == height
            last = outputs.last_column if tile == outputs.row_tiles - 1 and width % 2 else 0
            ctx.set(dut.first_rows, outputs.row_lanes(0) if row == 0 else 0)
            ctx.set(dut.last_rows, outputs.row_lanes(0) if over else 0)
            ctx.set(dut.first_columns, outputs.first_column if tile == 0 else 0)
            ctx.set(dut.last_columns, last)
            ctx.set(dut.phase, 2 * row % BANKS)
            for part, beside in enumerate((-1, 1, 0)):
                for near in (2 * row - 1, 2 * row, 2 * row + 1):
                    ctx.set(dut.words[near % BANKS], word(near, middle + beside))
                ctx.set(dut.part, part)
                await ctx.tick().repeat(LineBuffer.latency)
            windows = ctx.get(dut.windows)
            left = tile * outputs.columns
            for column in range(left, min(left + outputs.columns, outputs.width)):
                window = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3].reshape(-1)
                expected = sum(1 << tap for tap in np.flatnonzero(window).tolist())
                assert windows >> 9 * (column - left) & 511 == expected, (row, column)

    simulate(dut, testbench)


def test_banks_read_three_words_and_write_one(seed):
    rng = np.random.default_rng(seed)
    dut = BankedMemory(8, 5)
    held = np.zeros((BANKS, 5), int)

    async def testbench(ctx):
        for _ in range(200):
            bank, address, word = (int(rng.integers(n)) for n in (BANKS, 5, 256))
            write = bool(rng.integers(2))
            ctx.set(dut.write_valid, write)
            ctx.set(dut.write_bank, bank)
            ctx.set(dut.write_address, address)
            ctx.set(dut.write_data, word)
            read = [int(n) for n in rng.integers(5, size=BANKS)]
            if write:
                # The word being written is never read in that cycle: see hw.maps.banks.
                read[bank] = (address + 1) % 5
            for place in range(BANKS):
                ctx.set(dut.read_address[place], read[place])
            await ctx.tick().repeat(BankedMemory.latency)
            for place in range(BANKS):
                assert ctx.get(dut.read_data[place]) == held[place, read[place]]
            if write:
                held[bank, address] = word

    simulate(dut, testbench)
