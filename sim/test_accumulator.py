"""Accumulator and pooling against sums and maxima of whole numbers."""

import numpy as np
import pytest

from hw.accumulator import Accumulator
from hw.geometry import Geometry
from hw.layout import pack_map
from hw.pool import Pool
from sim.clocked import simulate


@pytest.mark.parametrize(("groups", "channels", "depth"), [(1, 4, 0), (3, 5, 5), (2, 3, 8)])
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
               depth=channels if pooling else 0)
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
