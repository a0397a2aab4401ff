"""Accumulator and pooling against sums and maxima of whole numbers."""

import numpy as np
import pytest

from hw.accumulator import Accumulator
from hw.maps.geometry import Geometry
from hw.maps.layout import pack_map
from hw.pool import Pool
from sim.clocked import simulate


@pytest.mark.parametrize(("groups", "channels", "depth"), [(1, 4, 0), (3, 5, 5), (2, 4, 8)])
def test_adds_the_groups_up(groups, channels, depth, seed):
    rng = np.random.default_rng(seed)
    pixels = 4
    terms = rng.integers(0, 100, (groups, channels, pixels))
    starts = -rng.integers(0, 100 * groups, (channels, pixels))
    starts[0] = -terms.sum(axis=0)[0] - [0, 1, 0, -1]  # around the change of sign
    expected = terms.sum(axis=0) + starts
    dut = Accumulator(pixels, term_bits=7, sum_bits=10, depth=depth)
    found, signs = [], []

    async def drive(ctx):
        for group in range(groups):
            for channel in range(channels):
                ctx.set(dut.valid, 1)
                ctx.set(dut.channel, channel)
                ctx.set(dut.next_channel, (channel + 1) % channels)  # a cycle ahead of its tag
                ctx.set(dut.first, group == 0)
                ctx.set(dut.last, group == groups - 1)
                await ctx.tick()
                for lane in range(pixels):  # a cycle after their tag
                    ctx.set(dut.terms[lane], int(terms[group, channel, lane]))
                    # What later groups find there must not matter.
                    ctx.set(dut.starts[lane], int(starts[channel, lane]) - group & 0x3FF)

    async def collect(ctx):
        await ctx.tick().repeat((groups - 1) * channels + Accumulator.latency)
        for _ in range(channels):
            found.append([ctx.get(dut.sums[lane]) for lane in range(pixels)])
            signs.append(ctx.get(dut.bits))
            await ctx.tick()

    simulate(dut, drive, collect)
    assert found == expected.tolist()
    assert signs == [sum(int(s >= 0) << n for n, s in enumerate(row)) for row in expected]


@pytest.mark.parametrize(
    ("height", "width", "pixels"), [(8, 8, 32), (5, 7, 16), (6, 4, 4), (7, 7, 28), (4, 2, 32)]
)
@pytest.mark.parametrize("pooling", [True, False])
def test_pooled_words(height, width, pixels, pooling, seed):
    rng = np.random.default_rng(seed)
    channels = 3
    planes = rng.random((channels, height, width)) < 0.3
    geometry = Geometry(width, pixels)
    out = planes
    if pooling:
        even = planes[:, : height // 2 * 2, : width // 2 * 2]
        out = even.reshape(channels, height // 2, 2, width // 2, 2).any(axis=(2, 4))
    slots = geometry.pooled_slots if pooling else 1
    tiles = -(-(height // 2 * 2 if pooling else height) // geometry.rows)
    lanes = (geometry.pooled if pooling else geometry).lanes
    expected = pack_map(out, pixels)
    dut = Pool((geometry,), {0} if pooling else set(), pixels=pixels, slots=slots,
               depth=channels if pooling else 0, channels=2, side_by_side=False)
    words = {}

    async def drive(ctx):
        for tile, row in enumerate(pack_map(planes, pixels)[:tiles]):
            for channel, word in enumerate(row):
                ctx.set(dut.bits, word)
                ctx.set(dut.valid, 1)
                ctx.set(dut.channel, channel)
                ctx.set(dut.slot, tile % slots)
                ctx.set(dut.fresh, tile % slots == 0)
                ctx.set(dut.pool, pooling)
                await ctx.tick()

    async def collect(ctx):
        await ctx.tick().repeat(Pool.latency)
        for tile in range(tiles):
            for channel in range(channels):
                words[tile // slots, channel] = ctx.get(dut.word) & (1 << lanes) - 1
                await ctx.tick()

    simulate(dut, drive, collect)
    for tile, row in enumerate(expected):
        # Lanes below the map's last row may hold anything.
        rows = min(lanes // out.shape[2], out.shape[1] - tile * (lanes // out.shape[2]))
        mask = (1 << rows * out.shape[2]) - 1
        assert [words[tile, c] & mask for c in range(channels)] == row


@pytest.mark.parametrize(
    ("height", "width", "pixels"), [(4, 18, 8), (5, 33, 8), (2, 35, 8), (4, 16, 7), (3, 7, 1)]
)
def test_words_pooled_side_by_side(height, width, pixels, seed):
    """Into a map that is cut, too; a map that is not lies between two of it."""
    rng = np.random.default_rng(seed)
    channels = 3
    planes = rng.random((channels, height, width)) < 0.3
    geometry = Geometry(width, pixels)
    columns, halves = geometry.row_tiles, geometry.pooled.row_tiles
    even = planes[:, : height // 2 * 2, : width // 2 * 2]
    out = even.reshape(channels, height // 2, 2, width // 2, 2).any(axis=(2, 4))
    expected = pack_map(out, pixels)
    dut = Pool((geometry, Geometry(1, pixels)), {0}, pixels=pixels, slots=2,
               depth=channels * halves, channels=3, side_by_side=True)  # fmt: skip
    tiles = [tile for tile in range(height // 2 * 2 * columns)
             if tile % columns < geometry.pooled_tiles]  # fmt: skip
    words = {}

    async def drive(ctx):
        packed = pack_map(planes, pixels)
        for _ in range(2):
            ctx.set(dut.valid, 1)
            for tile in tiles:
                row, column = divmod(tile, columns)
                for channel, word in enumerate(packed[tile]):
                    ctx.set(dut.bits, word)
                    ctx.set(dut.channel, channel)
                    ctx.set(dut.slot, column % 2)
                    ctx.set(dut.fresh, row % 2 == 0 and column % 2 == 0)
                    ctx.set(dut.last_channel, channel == channels - 1)
                    ctx.set(dut.row_end, column == geometry.pooled_tiles - 1)
                    for flag in (dut.pool, dut.cut):
                        ctx.set(flag, 1)
                    await ctx.tick()
            # Of other channels than the memory has room for.
            for flag in (dut.pool, dut.cut, dut.row_end, dut.fresh):
                ctx.set(flag, 0)
            ctx.set(dut.geometry, 1)
            ctx.set(dut.slot, 1)
            for channel in range(8):
                ctx.set(dut.channel, channel)
                ctx.set(dut.last_channel, channel == 7)
                await ctx.tick()
            ctx.set(dut.geometry, 0)

    async def collect(ctx):
        await ctx.tick().repeat(Pool.latency)
        for turn in range(2):
            for tile in tiles:
                row, column = divmod(tile, columns)
                for channel in range(channels):
                    # The last tile of a word leaves it complete.
                    words[turn, row // 2 * halves + column // 2, channel] = ctx.get(dut.word)
                    await ctx.tick()
            await ctx.tick().repeat(8)

    simulate(dut, drive, collect)
    for turn in range(2):
        for tile, row in enumerate(expected):
            left = tile % halves * geometry.columns
            mask = (1 << min(geometry.columns, width // 2 - left)) - 1
            assert [words[turn, tile, c] & mask for c in range(channels)] == row
