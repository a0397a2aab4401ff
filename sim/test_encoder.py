"""Thermometer encoder against the golden model's planes."""

import numpy as np
import pytest

from hw.inputs.thermometer import Encoder
from hw.maps.layout import pack_map, row_tiles
from model import golden
from sim.clocked import simulate
from sim.synthetic import random_images, random_network

CASES = [
    # colours, height, width, levels, pixels
    (1, 8, 8, 3, 32),
    (1, 1, 1, 1, 1),
    (3, 5, 7, 2, 16),
    (2, 6, 4, 5, 8),
    (1, 3, 9, 8, 9),
    (2, 7, 9, 2, 4),
    (1, 4, 5, 3, 3),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_writes_the_planes_of_every_image(case, gaps, seed):
    colours, height, width, levels, pixels = case
    network = random_network(seed, image=(colours, height, width), levels=levels, pools=("none",),
                             channels=(4,))
    images = random_images(seed, network, 3)
    planes = golden.encode(network, images)
    rng = np.random.default_rng(seed)
    cuts = row_tiles(width, pixels)
    words = -(-len(pack_map(planes[0], pixels)) // (3 * cuts)) * cuts * colours * levels
    dut = Encoder(
        network.input_thresholds.tolist(),
        height=height, width=width, pixels=pixels, half_words=words,
    )
    memory = {}

    async def send(ctx):
        for byte in images.reshape(-1).tolist():
            while rng.random() < gaps:
                await ctx.tick()
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def record(ctx):
        while True:
            if gaps:
                ctx.set(dut.write_ready, rng.random() < gaps)
            if ctx.get(dut.write_valid) and ctx.get(dut.write_ready):
                place = ctx.get(dut.write_half), ctx.get(dut.write_bank)
                memory[(*place, ctx.get(dut.write_address))] = ctx.get(dut.write_data)
            await ctx.tick()

    async def check(ctx):
        for image, plane in enumerate(planes):
            half = image % 2
            cycles = 0
            while not ctx.get(dut.full) >> half & 1:
                cycles += 1
                await ctx.tick()
            expected = pack_map(plane, pixels)
            if image == 0 and gaps == 0:
                # One cycle a pixel, one a written word: the closed form of Program.load_cycles.
                assert cycles == images[0].size + len(expected) * plane.shape[0]
            if image == 0:
                # Freed late: the image after the next one must not come in until then.
                await ctx.tick().repeat(3 * images[0].size * levels)
                assert ctx.get(dut.full) == 3 or gaps
                assert not ctx.get(dut.i.ready) or gaps
            for tile, channels in enumerate(expected):
                for channel, word in enumerate(channels):
                    row, cut = divmod(tile, cuts)
                    place = (half, row % 3, (row // 3 * cuts + cut) * plane.shape[0] + channel)
                    assert memory[place] == word, (image, tile, channel)
            ctx.set(dut.release, 1 << half)
            await ctx.tick()
            ctx.set(dut.release, 0)

    simulate(dut, send, check, background=[record])
