"""The encoder of whole numbers against the golden model's planes, and numbers of other widths."""

import numpy as np
import pytest

from hw.inputs.planes import PlaneEncoder
from hw.maps.layout import pack_map, row_tiles
from model import golden
from sim.clocked import simulate
from sim.random_graph import GraphBuilder
from sim.synthetic import random_images

CASES = [
    # channels, height, width, pixels
    (1, 8, 8, 32),
    (1, 1, 1, 1),
    (3, 5, 7, 16),
    (2, 6, 4, 8),
    (1, 3, 9, 9),
    (2, 7, 9, 4),
    (1, 4, 5, 3),
]


def check(numbers, planes, bits: int, pixels: int, gaps: float, rng, busy: bool = False):
    """Send ``numbers`` [N, c, H, W] and compare every word in memory with ``planes``; ``busy``: the
    memory takes a word now and then."""
    channels, height, width = numbers.shape[1:]
    cuts = row_tiles(width, pixels)
    count = planes.shape[1]
    rows = len(pack_map(planes[0], pixels)) // cuts
    dut = PlaneEncoder(
        channels=channels, bits=bits, height=height, width=width, pixels=pixels,
        half_words=-(-rows // 3) * cuts * count,
    )
    memory = {}

    async def send(ctx):
        for number in numbers.reshape(-1).tolist():
            while rng.random() < gaps:
                await ctx.tick()
            ctx.set(dut.i.payload, number)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def record(ctx):
        while True:
            if busy:
                ctx.set(dut.write_ready, rng.random() < 0.5)
            if ctx.get(dut.write_valid) and ctx.get(dut.write_ready):
                place = ctx.get(dut.write_half), ctx.get(dut.write_bank)
                memory[(*place, ctx.get(dut.write_address))] = ctx.get(dut.write_data)
            await ctx.tick()

    async def compare(ctx):
        for image, plane in enumerate(planes):
            half = image % 2
            cycles = 0
            while not ctx.get(dut.full) >> half & 1:
                cycles += 1
                await ctx.tick()
            expected = pack_map(plane, pixels)
            if image == 0 and gaps == 0 and not busy:
                # One cycle a number, one a written word: the closed form of Program.load_cycles.
                assert cycles == numbers[0].size + len(expected) * count
            if image == 0:
                # Freed late: the image after the next one must not come in until then.
                await ctx.tick().repeat(3 * numbers[0].size * (bits + 1))
                assert ctx.get(dut.full) == 3 or gaps
                assert not ctx.get(dut.i.ready) or gaps
            for tile, words in enumerate(expected):
                for channel, word in enumerate(words):
                    row, cut = divmod(tile, cuts)
                    place = (half, row % 3, (row // 3 * cuts + cut) * count + channel)
                    assert memory[place] == word, (image, tile, channel)
            ctx.set(dut.release, 1 << half)
            await ctx.tick()
            ctx.set(dut.release, 0)

    simulate(dut, send, compare, background=[record])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_planes_of_pixels(case, gaps, seed):
    *image, pixels = case
    graph = GraphBuilder(seed, tuple(image), encoding="binary")
    graph.conv(4)
    network = graph.head()
    images = random_images(seed, network, 3)
    planes = golden.encode(network, images)
    check(images, planes, 8, pixels, gaps, np.random.default_rng(seed))


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_planes_of_other_numbers(bits, seed):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 1 << bits, (3, 3, 5, 4))
    planes = np.concatenate([numbers >> bit & 1 for bit in reversed(range(bits))], axis=1)
    check(numbers, planes.astype(bool), bits, 8, 0.2, rng)
    check(numbers, planes.astype(bool), bits, 8, 0.2, rng, busy=True)
