"""The stream unit, the stream memory and the plane queue, each against the plain definition."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.stream.memory import StreamMemory
from hw.stream.plane_queue import PlaneQueue
from hw.stream.shape import channel_words, cut_of, stream_shape
from hw.stream.unit import StreamUnit
from model.fixed_point import planes_of, streamed
from model.rules import largest_sum
from sim.random_graph import GraphBuilder

LANES = 3
SUM_BITS = 9  # of nine channels


def simulate(dut, testbench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


def signed_ends(rng, dtype, count):
    """Random numbers of a type, its ends, zero and one among them."""
    info = np.iinfo(dtype)
    numbers = rng.integers(info.min, info.max + 1, count)
    numbers[:4] = (info.min, info.max, 0, 1)
    return rng.permutation(numbers).astype(dtype)


def ugly(rng, layer, width, shift, prelu):
    """The layer with a stream of this form and the worst numbers that the format has."""
    count, limit = layer.c_out, 1 << width - 1
    bent = None
    if prelu:
        bent = replace(
            layer.stream.prelu,
            before=signed_ends(rng, np.int16, count),
            slopes=signed_ends(rng, np.int8, count),
            after=signed_ends(rng, np.int16, count),
        )
    numbers = {
        "multipliers": signed_ends(rng, np.int16, count),
        "offsets": signed_ends(rng, np.int32, count),
    }
    if shift < 16:  # some that do not saturate
        gain = rng.integers(-4, 5, count) << shift
        mild = rng.random(count) < 0.6
        limits = np.iinfo(np.int16)
        gain = gain.clip(limits.min, limits.max)
        numbers["multipliers"] = np.where(mild, gain, numbers["multipliers"]).astype(np.int16)
        numbers["offsets"] = np.where(mild, gain // 2, numbers["offsets"]).astype(np.int32)
    stream = replace(layer.stream, bits=width, shift=shift, prelu=bent, **numbers)
    cuts = rng.integers(-limit, limit + 1, count)
    cuts[:2] = (-limit, limit)
    return replace(layer, stream=stream, thresholds=cuts.astype(np.int32))


def network_of(seed, forms):
    """Layers of nine input channels with streams (width, shift, prelu, out_bits, step)."""
    rng = np.random.default_rng(seed)
    graph = GraphBuilder(seed, image=(1, 3, 1), levels=9)
    for width, shift, prelu, out_bits, step in forms:
        options = {"prelu": prelu, "out_bits": out_bits}
        graph.conv(9, source=-1, stream=max(width, 3), **options)
        layer = ugly(rng, graph.layers[-1], width, shift, prelu)
        graph.layers[-1] = replace(layer, step=step)
    return replace(graph.head(2, on="stream"), layers=(*graph.layers,))


FORMS = [
    pytest.param([(8, 0, False, 1, 0)], id="shift 0"),
    pytest.param([(16, 31, False, 1, 0), (2, 3, False, 1, 0)], id="widest and narrowest"),
    pytest.param([(12, 7, True, 1, 0), (9, 7, False, 0, 0)], id="prelu beside none"),
    pytest.param([(10, 4, True, 3, 6), (6, 0, True, 8, 1), (12, 4, False, 1, 0)], id="planes"),
]


@pytest.mark.parametrize("forms", FORMS)
def test_unit_is_the_definition(seed, forms):
    rng = np.random.default_rng(seed)
    network = network_of(seed, forms)
    shape = stream_shape(network)
    words = list(channel_words(network, shape))
    dut = StreamUnit(shape, pixels=LANES, sum_bits=SUM_BITS)
    assert (dut.value_latency, dut.latency) == ((6, 7) if shape.prelu else (3, 4))
    seen = {"ends": set()}

    async def testbench(ctx):
        for place, layer in enumerate(network.convs):
            stream, most = layer.stream, largest_sum(layer)
            limit, count = 1 << stream.bits - 1, 40
            channels = rng.integers(0, layer.c_out, count)
            sums = rng.integers(-most, most + 1, (count, LANES))
            sums[rng.random(sums.shape) < 0.2] = most
            sums[rng.random(sums.shape) < 0.2] = -most
            added = rng.integers(-limit, limit, (count, LANES))
            ctx.set(dut.shift, shape.shifts.index(stream.shift))
            ctx.set(dut.width, shape.widths.index(stream.bits))
            ctx.set(dut.cut, shape.cuts.index(cut_of(layer)) if layer.out_bits else 0)
            values, planes = [], []
            for cycle in range(count + dut.latency):
                if cycle < count:
                    ctx.set(dut.numbers.as_value(), words[9 * place + channels[cycle]])
                    for lane in range(LANES):
                        ctx.set(dut.sums[lane], int(sums[cycle, lane]))
                if 2 <= cycle < count + 2:
                    for lane in range(LANES):
                        ctx.set(dut.residual[lane], int(added[cycle - 2, lane]))
                values.append([ctx.get(dut.values[lane]) for lane in range(LANES)])
                planes.append([ctx.get(plane) for plane in dut.planes])
                await ctx.tick()
            values.append([ctx.get(dut.values[lane]) for lane in range(LANES)])
            planes.append([ctx.get(plane) for plane in dut.planes])
            values = np.array(values[dut.value_latency :][:count])
            planes = planes[dut.latency :][:count]
            # An image an input: the definition works on all channels, ours is picked.
            whole, others = np.zeros((2, count, layer.c_out, LANES, 1), np.int64)
            whole[np.arange(count), channels, :, 0] = sums
            others[np.arange(count), channels, :, 0] = added
            want = streamed(stream, whole, others)
            assert np.array_equal(values, want[np.arange(count), channels, :, 0])
            seen["ends"] |= {v for v in (-limit, limit - 1) if (values == v).any()}
            if layer.out_bits:
                bits = planes_of(layer, want).reshape(count, layer.out_bits, layer.c_out, LANES)
                bits = bits[np.arange(count), :, channels] ^ layer.flips[channels][:, None, None]
                found = [[[p >> n & 1 for n in range(LANES)] for p in each] for each in planes]
                assert np.array_equal(np.array(found)[:, : layer.out_bits], bits)

    simulate(dut, testbench)
    assert len(seen["ends"]) >= 2, "no saturation was seen"


def test_memory_counts_and_is_read_before_it_is_written(seed):
    rng = np.random.default_rng(seed)
    dut = StreamMemory(24, 12)
    first, second = rng.integers(0, 1 << 24, (2, 7)).tolist()

    async def start(ctx, read, write):
        ctx.set(dut.read_base, read)
        ctx.set(dut.write_base, write)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)

    async def testbench(ctx):
        await start(ctx, 0, 5)
        for word in first:
            ctx.set(dut.write, 1)
            ctx.set(dut.word, word)
            await ctx.tick()
        ctx.set(dut.write, 0)
        # In place: each word is written two cycles after it was read.
        for given, taken in ((second, first), (first, second)):
            await start(ctx, 5, 5)
            found = []
            for cycle in range(9):
                ctx.set(dut.read, cycle < 7)
                ctx.set(dut.write, cycle >= 2)
                ctx.set(dut.word, given[max(cycle - 2, 0)])
                await ctx.tick()
                found.append(ctx.get(dut.data))
            assert found[:7] == taken
            ctx.set(dut.write, 0)

    simulate(dut, testbench)


@pytest.mark.parametrize(("planes", "channels"), [(3, 4), (2, 1), (1, 5)])
def test_queue_puts_out_planes_one_a_cycle(seed, planes, channels):
    """Tile after tile, as close as they may be; the words of a tile in order of channels."""
    rng = np.random.default_rng(seed)
    dut = PlaneQueue(8, 3, 5)
    apart = planes * channels
    tiles = rng.integers(0, 256, (3, channels, 3))
    found = []

    async def testbench(ctx):
        ctx.set(dut.last_plane, planes - 1)
        ctx.set(dut.last_channel, channels - 1)
        for cycle in range(3 * apart + dut.latency + 2):
            tile, channel = divmod(cycle, apart)
            valid = tile < 3 and channel < channels
            ctx.set(dut.valid, valid)
            if valid:
                ctx.set(dut.channel, channel)
                for plane in range(3):
                    ctx.set(dut.words[plane], int(tiles[tile, channel, plane]))
            if ctx.get(dut.out_valid):
                found.append((cycle, *(ctx.get(s) for s in (dut.place, dut.word, dut.last))))
            await ctx.tick()

    simulate(dut, testbench)
    want = []
    for tile, words in enumerate(tiles.tolist()):
        for channel in range(channels):
            for plane in range(planes):
                cycle = tile * apart + channel * planes + plane + dut.latency
                last = (channel, plane) == (channels - 1, planes - 1)
                want.append((cycle, plane * channels + channel, words[channel][plane], last))
    assert found == want
