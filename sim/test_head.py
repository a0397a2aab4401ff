"""Head against the golden model's scores, ties and blocked results included."""

import numpy as np
import pytest

from hw.heads.counted import Head
from hw.heads.counted_plan import head_cycles, head_words, offset_words, units_needed
from hw.maps.layout import pack_map
from model import golden
from model.format import Head as HeadLayer
from sim.clocked import simulate


def _offsets(layer: HeadLayer) -> np.ndarray:
    size = layer.height * layer.width
    sums = layer.weight.astype(int).sum(axis=1)
    return layer.bias.astype(int) - size * sums


@pytest.mark.parametrize(
    ("channels", "height", "width", "classes", "units", "pixels"),
    [
        (6, 4, 4, 10, 1, 8),
        (6, 4, 4, 10, 5, 8),
        (3, 4, 4, 10, 10, 8),
        (1, 1, 1, 2, 1, 1),
        (1, 2, 3, 4, 2, 8),
        (5, 7, 3, 3, 3, 16),
        (4, 2, 2, 1, 1, 32),
    ],
)
@pytest.mark.parametrize("kind", ["random", "extreme", "ties"])
def test_scores_and_class(channels, height, width, classes, units, pixels, kind, seed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-128, 128, (classes, channels)).astype(np.int8)
    bias = rng.integers(-9999, 9999, classes).astype(np.int32)
    if kind == "extreme":
        weight[:] = -128
    if kind == "ties":
        weight[:], bias[:] = 3, 7
    layer = HeadLayer("head", channels, height, width, weight, bias)
    maps = rng.random((4, channels, height, width)) < 0.5
    maps[0], maps[1] = True, False
    expected = golden.head_scores(layer, maps)

    rows = max(1, 1 << (pixels // width).bit_length() - 1) * width
    tiles = len(pack_map(maps[0], pixels))
    bits = int(np.abs(expected).max()).bit_length() + 8
    dut = Head(
        head_words(weight, units), offset_words(_offsets(layer), units, bits),
        classes=classes, channels=channels, units=units, pixels=pixels, tile_lanes=rows,
        last_lanes=height * width - (tiles - 1) * rows,
        count_bits=(height * width).bit_length(), score_bits=bits,
    )
    waits = []

    async def drive(ctx):
        for planes in maps:
            while not ctx.get(dut.ready):
                await ctx.tick()
            for tile, words in enumerate(pack_map(planes, pixels)):
                for channel, word in enumerate(words):
                    # Idle lanes may hold anything.
                    idle = (1 << pixels) - (1 << rows)
                    ctx.set(dut.word, word | idle)
                    ctx.set(dut.channel, channel)
                    ctx.set(dut.first_tile, tile == 0)
                    ctx.set(dut.last_tile, tile == tiles - 1)
                    ctx.set(dut.valid, 1)
                    await ctx.tick()
                    ctx.set(dut.valid, 0)
                    # A channel comes again after three cycles at the earliest.
                    if channels < 3:
                        await ctx.tick().repeat(3 - channels)
            await ctx.tick()
            ctx.set(dut.finish, 1)
            await ctx.tick()
            ctx.set(dut.finish, 0)

    async def collect(ctx):
        for image, scores in enumerate(expected):
            if image == 2:
                await ctx.tick().repeat(200)
            busy = 0
            while not ctx.get(dut.o.valid):
                busy += ctx.get(dut.busy)
                await ctx.tick()
            waits.append(busy)
            assert ctx.get(dut.o.payload.label) == scores.argmax()
            found = [ctx.get(dut.o.payload.scores[k]) for k in range(classes)]
            assert found == scores.tolist()
            ctx.set(dut.o.ready, 1)
            await ctx.tick()
            ctx.set(dut.o.ready, 0)

    simulate(dut, drive, collect)
    assert waits[0] == head_cycles(classes, channels, units)


def test_as_few_multipliers_as_are_in_time():
    assert units_needed(10, 64, 10_000) == 1
    assert [head_cycles(10, 64, units) for units in (1, 2, 5, 10)] == [646, 327, 138, 79]
    assert units_needed(10, 64, 6460) == 1
    assert units_needed(10, 64, 6459) == 2
    # Where there is no time at all, all classes at once.
    assert units_needed(10, 64, 0) == 10
    assert units_needed(7, 64, 4500) == 7
