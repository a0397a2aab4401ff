"""Pools of streams: the component against the definition, and whole networks through the engine."""

import sys

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.cycles import predict
from hw.maps.geometry import Geometry
from hw.stream.pool import StreamPool
from model.fixed_point import pooled
from model.network import INPUT
from sim.clocked import simulate
from sim.random_graph import GraphBuilder
from sim.synthetic import random_images
from sim.verify import verify

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])
ENGINE = "python"
BITS, CHANNELS = 5, 3


@pytest.fixture(autouse=True)
def choose_engine(sim_engine, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ENGINE", sim_engine)


def run(network, images, **shape):
    """Simulate, and fail with the first difference of a value or a cycle; returns the program."""
    program = compile_network(network, **shape)
    verdict = verify(program, images, engine=ENGINE)
    assert verdict.problem is None, f"{verdict.problem} ({shape})"
    return program


def tiles_of(values, geometry):
    """Numbers [channels, height, width] as tiles of lanes, [tiles][channels, lanes]; idle lanes and
    rows behind the last one hold what must not matter."""
    channels, height, width = values.shape
    rows, columns = geometry.rows, geometry.columns
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            tile = np.full((channels, geometry.pixels), 7)
            part = values[:, top : top + rows, left : left + columns]
            lanes = np.full((channels, rows, columns), -9)
            lanes[:, : part.shape[1], : part.shape[2]] = part
            tile[:, : rows * columns] = lanes.reshape(channels, -1)
            yield tile


@pytest.mark.parametrize("kinds", [("avg2",), ("max2",), ("avg2", "max2")], ids="+".join)
@pytest.mark.parametrize(
    ("height", "width", "pixels"),
    [(8, 8, 32), (5, 7, 16), (6, 4, 4), (4, 2, 32), (3, 9, 4), (2, 2, 1), (3, 7, 1), (3, 18, 8)],
)
def test_pooled_numbers(height, width, pixels, kinds, seed):
    """Every kind that it was built for, and passing through; ends of the range are met."""
    rng = np.random.default_rng(seed)
    edge = 1 << (BITS - 1)
    values = rng.integers(-edge, edge, (CHANNELS, height, width))
    values[0], values[1, :2, :2] = edge - 1, -edge
    geometry = Geometry(width, pixels)
    halves, cut = geometry.pooled.row_tiles, geometry.pooled.row_tiles > 1
    dut = StreamPool(
        kinds, (geometry,), {0}, bits=BITS, pixels=pixels, slots=geometry.pooled_slots,
        depth=CHANNELS * halves, channels=2, side_by_side=cut,
    )  # fmt: skip
    taken = [
        (tile, *divmod(place, geometry.row_tiles))
        for place, tile in enumerate(tiles_of(values, geometry))
    ]
    rows_of_tiles = -(-(height // 2 * 2) // geometry.rows)
    taken = [t for t in taken if t[1] < rows_of_tiles and t[2] < geometry.pooled_tiles]
    columns, slots = geometry.pooled_tiles, geometry.pooled_slots
    found = {}

    def at(place, row, column):
        """(slot, fresh, word) of a tile."""
        if not cut:
            return place % slots, place % slots == 0, place // slots
        first = row % 2 == 0 and column % 2 == 0
        return column % 2, first, row // 2 * halves + column // 2

    async def drive(ctx):
        for kind in (*kinds, "none"):
            ctx.set(dut.pool, kind != "none")
            ctx.set(dut.cut, cut and kind != "none")
            ctx.set(dut.largest, kind == "max2")
            for place, (tile, row, column) in enumerate(taken):
                slot, fresh, _ = at(place, row, column)
                for channel in range(CHANNELS):
                    for lane in range(pixels):
                        ctx.set(dut.values[lane], int(tile[channel, lane]))
                    ctx.set(dut.valid, 1)
                    ctx.set(dut.channel, channel)
                    ctx.set(dut.slot, slot)
                    ctx.set(dut.fresh, fresh)
                    ctx.set(dut.last_channel, channel == CHANNELS - 1)
                    ctx.set(dut.row_end, column == columns - 1)
                    await ctx.tick()
            ctx.set(dut.valid, 0)
            # What the next layer says comes when this one's words are out.
            await ctx.tick().repeat(StreamPool.latency)

    async def collect(ctx):
        for kind in (*kinds, "none"):
            await ctx.tick().repeat(StreamPool.latency)
            for place, (_, row, column) in enumerate(taken):
                word = place if kind == "none" else at(place, row, column)[2]
                for channel in range(CHANNELS):
                    numbers = [ctx.get(dut.pooled[lane]) for lane in range(pixels)]
                    found[kind, word, channel] = numbers
                    await ctx.tick()

    simulate(dut, drive, collect)
    for kind in kinds:
        want = pooled(kind, values[None])[0]
        shape = geometry.pooled
        for word, tile in enumerate(tiles_of(want, shape)):
            rows = min(shape.rows, want.shape[1] - word // halves * shape.rows)
            lanes = rows * shape.columns
            if cut:
                lanes = min(shape.columns, want.shape[2] - word % halves * shape.columns)
            for channel in range(CHANNELS):
                assert found[kind, word, channel][:lanes] == tile[channel, :lanes].tolist()
    for place, (tile, _, _) in enumerate(taken):
        lanes = geometry.lanes
        for channel in range(CHANNELS):
            numbers = found["none", place, channel][:lanes]
            real = tile[channel, :lanes]
            assert all(n == r for n, r in zip(numbers, real, strict=True) if r != -9)


@pytest.mark.parametrize(
    ("image", "pixels", "pool", "array"),
    [
        ((1, 6, 5), 12, "avg2", "shared"),
        ((2, 5, 9), 4, "max2", "direct"),
        ((2, 5, 9), 4, "avg2", "direct"),
        ((1, 2, 2), 1, "avg2", "shared"),
        ((1, 2, 2), 1, "max2", "direct"),
        ((1, 3, 17), 4, "avg2", "direct"),
        ((1, 3, 17), 4, "max2", "shared"),
    ],
    ids=str,
)
def test_pooled_streams(image, pixels, pool, array, seed):
    """With a residual whose tiles pooling passes over, of odd sides, into a map that is cut."""
    graph = GraphBuilder(seed, image=image)
    first = graph.conv(3, stream=10)
    small = graph.conv(3, stream=10, residual=first, pool=pool, prelu=True)
    graph.conv(3, stream=9, residual=small)
    network = graph.head(3)
    program = run(network, random_images(seed, network, 2), array=array, pixels=pixels, channels=2)
    # The pooled stream takes the place of the one it is added to.
    assert program.plans[0].stream.kept == program.plans[1].stream.kept


@pytest.mark.parametrize("image", [(1, 4, 9), (1, 7, 3)], ids=str)
def test_tiles_that_pooling_leaves_out(seed, image):
    """A last column that lies in a tile of its own; the stem's stream is passed over likewise."""
    graph = GraphBuilder(seed, image=image, stem={"c_out": 3, "stream": 9})
    graph.conv(3, stream=9, residual=INPUT, pool="avg2")
    graph.pool(INPUT, "max2")
    network = graph.head(3)
    program = run(network, random_images(seed, network, 2), array="direct", pixels=2, channels=2)
    assert all(plan.skip == 3 for plan in program.plans)


@BOTH
def test_several_planes_are_pooled(seed, array):
    """Maximum and mean of numbers of 2 to 8 bits, beside plain bits and streams that pass by."""
    graph = GraphBuilder(seed, image=(1, 9, 6))
    graph.conv(4, pool="max2")
    graph.conv(5, source=INPUT, stream=12, out_bits=8, pool="max2")
    graph.conv(5, source=0, stream=12, out_bits=3)
    graph.conv(4, source=1, stream=12, out_bits=2, pool="avg2")
    graph.conv(3)
    network = graph.head(3)
    run(network, random_images(seed, network, 1), array=array, pixels=6, channels=4)


@pytest.mark.parametrize(("pool", "array"), [("avg2", "shared"), ("max2", "direct")])
def test_a_shortcut_of_pooled_streams(seed, array, pool):
    """The down-sampling of Bi-Real Net: a 1x1 convolution at stride 1 behind the pool."""
    graph = GraphBuilder(seed, image=(1, 8, 6))
    first = graph.conv(4, stream=10)
    half = graph.pool(first, pool)
    side = graph.pointwise(6, source=half, weight_bits=8, stream=10, out_bits=0)
    graph.conv(6, source=first, stride=2, stream=10, residual=side, prelu=True)
    network = graph.head(3, on="stream")
    program = run(network, random_images(seed, network, 2), array=array, pixels=12, channels=4)
    plan, row = program.plans[1], predict(program)[1]
    assert plan.stands_in and plan.index_words == 0 == row.macs
    assert row.useful == 4 * plan.tiles and row.kind == "pool"


@pytest.mark.parametrize("port", [4, 40])
def test_a_pooling_wants_no_indices(seed, port):
    """None come through the port for it; those of the next layer come meanwhile."""
    graph = GraphBuilder(seed, image=(1, 8, 6))
    first = graph.conv(5, stream=10)
    graph.pool(first, "avg2", out_bits=2)
    graph.conv(6)
    network = graph.head(3)
    shape = {"array": "shared", "pixels": 12, "channels": 4, "index_port": port}
    run(network, random_images(seed, network, 2), index_buffer=8, **shape)


def test_an_engine_without_pooled_streams_has_none_of_it(seed):
    graph = GraphBuilder(seed)
    first = graph.conv(4, stream=9, pool="none")
    graph.conv(4, stream=9, residual=first)
    program = compile_network(graph.head(3))
    assert program.stream_shape.pools == () and program.stream_shape.pool_latency == 0
