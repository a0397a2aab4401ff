"""Heads that work behind the last layer against the golden model's scores, and their cycles."""

from dataclasses import replace

import numpy as np
import pytest

from hw.heads.serial import SerialHead
from hw.heads.serial_plan import plan_serial
from hw.maps.layout import pack_map
from hw.stream.shape import stream_shape
from model import golden
from sim.clocked import simulate
from sim.random_graph import GraphBuilder

SHAPES = {
    "as ever": (6, 4, 4, 10, 8),
    "one of each": (1, 1, 1, 1, 1),
    "odd": (5, 7, 3, 3, 16),
    "one tile": (4, 2, 2, 1, 32),
    "cut rows": (3, 2, 9, 5, 4),
    "one lane": (4, 2, 3, 4, 1),
    "more classes than channels": (2, 3, 3, 40, 8),
}
STREAM_BITS = 7


def head_network(seed, channels, height, width, classes, *, on, flatten):
    graph = GraphBuilder(seed, (1, height, width))
    graph.conv(channels, stream=STREAM_BITS)
    return graph.head(classes, on=on, flatten=flatten)


def words_of(values, on, pixels):
    """[tiles][channels] words of planes, bool [c, h, w], or stream values."""
    if on == "planes":
        return pack_map(values, pixels)
    words = [[0] * len(values) for _ in pack_map(values > 0, pixels)]
    for bit in range(STREAM_BITS):
        for tile, row in enumerate(pack_map((values >> bit & 1).astype(bool), pixels)):
            for channel, word in enumerate(row):
                spread = (1 << STREAM_BITS * lane for lane in range(pixels) if word >> lane & 1)
                words[tile][channel] |= sum(spread) << bit
    return words


def check(network, maps, pixels, hidden=0, blocked=0):
    """Feed maps [N, c, h, w] and compare every score, label and the cycles of the first image."""
    head = network.head
    expected = golden.head_scores(head, maps)
    plan = plan_serial(network, pixels, hidden, stream_shape(network))
    dut = SerialHead(plan, plan.weight_words(head.weight), plan.offsets(head.weight, head.bias))
    lanes = (1 << plan.lanes * plan.value_bits) - 1

    async def drive(ctx):
        for values in maps:
            while not ctx.get(dut.ready):
                await ctx.tick()
            for words in words_of(values, head.on, pixels):
                for channel, word in enumerate(words):
                    # Idle lanes may hold anything.
                    ctx.set(dut.word, word | ~lanes & (1 << len(dut.word)) - 1)
                    ctx.set(dut.channel, channel)
                    ctx.set(dut.valid, 1)
                    await ctx.tick()
                ctx.set(dut.valid, 0)
                for _ in range(3 - len(words)):
                    await ctx.tick()
            await ctx.tick()
            ctx.set(dut.finish, 1)
            await ctx.tick()
            ctx.set(dut.finish, 0)

    async def collect(ctx):
        for image, scores in enumerate(expected):
            busy, found, labels = 0, [], []
            ctx.set(dut.o.ready, 0)
            while not ctx.get(dut.o.valid):
                busy += ctx.get(dut.busy)
                await ctx.tick()
            for _ in range(blocked):
                await ctx.tick()
            ctx.set(dut.o.ready, 1)
            last = False
            while not last:
                assert ctx.get(dut.o.valid)
                busy += ctx.get(dut.busy)
                found.append(ctx.get(dut.o.payload.score))
                labels.append(ctx.get(dut.o.payload.label))
                last = ctx.get(dut.o.payload.last)
                await ctx.tick()
            assert found == scores.tolist()
            assert set(labels) == {scores.argmax()}
            assert busy == plan.cycles, image
            assert ctx.get(dut.ready)

    simulate(dut, drive, collect, cycles=1_000_000)
    return plan


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("on", ["planes", "stream"])
@pytest.mark.parametrize("flatten", [False, True], ids=["summed", "flattened"])
def test_scores_labels_and_cycles(shape, on, flatten, seed):
    *sizes, pixels = shape
    network = head_network(seed, *sizes, on=on, flatten=flatten)
    rng = np.random.default_rng(seed)
    size = (4, *sizes[:3])
    half = 1 << STREAM_BITS - 1
    if on == "planes":
        maps = rng.random(size) < 0.5
        maps[0], maps[1] = True, False
    else:
        maps = rng.integers(-half, half, size)
        maps[0], maps[1] = -half, half - 1
    check(network, maps, pixels, blocked=5)


@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("on", ["planes", "stream"])
def test_largest_scores(value, on, seed):
    """Every weight and value at its end: no sum may overflow."""
    network = head_network(seed, 4, 4, 4, 3, on=on, flatten=False)
    head = replace(network.head, weight=np.full_like(network.head.weight, value))
    network = replace(network, layers=(*network.convs, head))
    half = 1 << STREAM_BITS - 1
    maps = np.stack([np.full((4, 4, 4), -half), np.full((4, 4, 4), half - 1)])
    check(network, maps > 0 if on == "planes" else maps, 8)


def test_the_lowest_class_wins_a_tie(seed):
    network = head_network(seed, 3, 2, 2, 5, on="stream", flatten=False)
    bias = np.array([-7, 3, 3, 1, 3], np.int32)
    head = replace(network.head, weight=network.head.weight * 0, bias=bias)
    check(replace(network, layers=(*network.convs, head)), np.ones((1, 3, 2, 2), int), 4)


def test_takes_as_many_classes_at_a_time_as_take_a_tenth(seed):
    """1,000 classes: their cycles follow from the classes at a time, and these from the time."""
    network = head_network(seed, 16, 2, 2, 1000, on="stream", flatten=False)
    maps = np.random.default_rng(seed).integers(-64, 64, (1, 16, 2, 2))
    slow = check(network, maps, 4, hidden=200_000)
    assert slow.parallel == 1
    fast = check(network, maps, 4, hidden=100_000)
    assert fast.parallel == 2
    assert slow.cycles - fast.cycles == 500 * 16 - 1


@pytest.mark.parametrize("classes, each", [(10, 5), (9, 5), (17, 9), (16, 16), (3, 2)])
def test_takes_no_more_classes_at_a_time_than_its_rounds_need(classes, each, seed):
    """With no time to hide in: as many rounds as the largest power of two makes, and in them as
    few places without a class as can be."""
    network = head_network(seed, 20, 2, 2, classes, on="stream", flatten=False)
    maps = np.random.default_rng(seed).integers(-64, 64, (2, 20, 2, 2))
    plan = check(network, maps, 4, hidden=0)
    assert plan.parallel == each
