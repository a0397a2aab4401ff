"""The board's core: images as bytes on the line, replies as bytes, through the real engine."""

import gc
import random
import warnings

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.compiler import compile_network
from hw.engine import Engine
from hw.top import BoardCore, reply_bytes
from model import golden
from model.errors import UserError
from model.format import Head, Network
from sim.random_graph import GraphBuilder
from sim.serial_line import receive_bytes, send_byte, send_bytes
from sim.synthetic import random_images, random_network

CLOCK_HZ = 1e6
BIT = 8
BAUD = CLOCK_HZ / BIT
IDLE_SECONDS = 1500e-6
IDLE_CYCLES = 1500
CLASSES = 3


@pytest.fixture(scope="module")
def network() -> Network:
    made = random_network(
        5, image=(1, 4, 4), levels=2, channels=(3, 4), pools=("none", "max2"), classes=CLASSES
    )
    # Scores past 16 bits of both signs: every byte of a reply counts.
    head = made.head
    bias = np.array([70_000, -70_000, 3], np.int32)
    layers = (*made.convs, Head("head", head.channels, 2, 2, head.weight, bias))
    return Network("small", made.image, made.input_thresholds, layers, {})


def make_core(network: Network, **changes) -> BoardCore:
    program = compile_network(network, array="direct", pixels=4, channels=2)
    settings = {"clock_hz": CLOCK_HZ, "baud": BAUD, "idle_seconds": IDLE_SECONDS} | changes
    return BoardCore(Engine(program), image_bytes=program.image_bytes, **settings)


def expected_reply(network: Network, image: np.ndarray) -> bytes:
    """The reply by the golden model: class, then the scores as little-endian int32."""
    trace = golden.trace(network, image[None])
    return bytes([int(trace.classes[0])]) + trace.scores[0].astype("<i4").tobytes()


def simulate(core: BoardCore, *testbenches) -> None:
    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


def replies(core: BoardCore, count: int, into: list[bytes]):
    async def host(ctx):
        for _ in range(count):
            data = await receive_bytes(ctx, core.tx, reply_bytes(CLASSES), BIT, patience=20_000)
            into.append(data)

    return host


def test_images_in_replies_out(network, seed):
    images = random_images(seed, network, 4)
    rng = random.Random(seed)
    core = make_core(network)
    received = []

    async def host(ctx):
        for image in images:
            data = image.tobytes()
            gaps = [rng.choice([0, 0, 0, rng.randrange(60)]) for _ in data]
            await send_bytes(ctx, core.rx, data, BIT, gaps)
            assert ctx.get(core.status.fault) == 0

    simulate(core, host, replies(core, len(images), received))
    assert received == [expected_reply(network, image) for image in images]


def test_image_with_a_lost_byte_is_given_up_after_silence(network):
    first, second, third = random_images(3, network, 3)
    core = make_core(network)
    received = []

    async def host(ctx):
        await send_bytes(ctx, core.rx, first.tobytes(), BIT)
        # The second image loses a byte, then the line is silent.
        await send_bytes(ctx, core.rx, second.tobytes()[1:], BIT)
        await ctx.tick().repeat(IDLE_CYCLES + 20)
        assert (ctx.get(core.status.image), ctx.get(core.status.fault)) == (0, 1)
        await send_bytes(ctx, core.rx, third.tobytes(), BIT)

    simulate(core, host, replies(core, 2, received))
    assert received == [expected_reply(network, first), expected_reply(network, third)]


def test_byte_without_stop_bit_costs_its_image_only(network):
    first, second = random_images(4, network, 2)
    core = make_core(network)
    received = []

    async def host(ctx):
        data = first.tobytes()
        await send_bytes(ctx, core.rx, data[:5], BIT)
        await send_byte(ctx, core.rx, data[5], BIT, stop=0)
        await ctx.tick().repeat(2 * BIT)
        assert ctx.get(core.status.fault) == 1
        await send_bytes(ctx, core.rx, data[6:], BIT)
        await ctx.tick().repeat(IDLE_CYCLES + 20)
        await send_bytes(ctx, core.rx, second.tobytes(), BIT)

    simulate(core, host, replies(core, 1, received))
    assert received == [expected_reply(network, second)]


def test_silence_shorter_than_the_limit_changes_nothing(network):
    (image,) = random_images(6, network, 1)
    core = make_core(network)
    received = []

    async def host(ctx):
        data = image.tobytes()
        await send_bytes(ctx, core.rx, data[:7], BIT)
        await ctx.tick().repeat(IDLE_CYCLES - 12 * BIT)
        assert ctx.get(core.status.image) == 1
        await send_bytes(ctx, core.rx, data[7:], BIT)

    simulate(core, host, replies(core, 1, received))
    assert received == [expected_reply(network, image)]


def test_reset_during_silence_restarts_the_engine_anywhere_in_an_image(network):
    """After any number of bytes, given up: the next image is right."""
    images = random_images(7, network, 4)
    core = make_core(network, idle_seconds=400e-6)
    received = []

    async def host(ctx):
        for image, count in zip(images, (1, 4, 9, 15), strict=True):
            await send_bytes(ctx, core.rx, bytes(255 - b for b in image.tobytes()[:count]), BIT)
            await ctx.tick().repeat(450)
            await send_bytes(ctx, core.rx, image.tobytes(), BIT)

    simulate(core, host, replies(core, len(images), received))
    assert received == [expected_reply(network, image) for image in images]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baud": CLOCK_HZ}, "too fast"),
        ({"idle_seconds": 19 / BAUD}, "under two bytes"),
        ({"baud": 0}, "positive|under two bytes"),
    ],
)
def test_impossible_settings_are_refused(network, changes, message):
    with warnings.catch_warnings():
        # Amaranth minds that a component whose constructor failed was never used.
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=message):
            make_core(network, **changes)
        gc.collect()


@pytest.mark.parametrize("lacking", ["stem", "flattened head"])
def test_what_the_protocol_has_no_form_for_is_refused(lacking, seed):
    graph = GraphBuilder(seed, (1, 4, 4), stem={"c_out": 2} if lacking == "stem" else None)
    graph.conv(3, tau=3)
    with pytest.raises(UserError, match="only simulation runs them"):
        make_core(graph.head(flatten=lacking != "stem"))
