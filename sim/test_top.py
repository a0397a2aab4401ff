"""The board's core: requests as bytes on the line, replies as bytes, through the real engine."""

import gc
import random
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.compiler import compile_network
from hw.cycles import total_cycles
from hw.engine import Engine
from hw.link import protocol
from hw.link.identity import describe, window
from hw.link.payloads import Answer, Counters, Info, Tally
from hw.link.protocol import Packet
from hw.top import BoardCore
from model import golden
from model.errors import UserError
from model.format import Head, Network
from sim.random_graph import GraphBuilder
from sim.serial_line import receive_bytes, send_byte, send_bytes
from sim.synthetic import random_images, random_network

CLOCK_HZ = 1e6
BIT = 4  # the fastest line: the least time between bytes
BAUD = CLOCK_HZ / BIT
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
    return BoardCore(Engine(program), **({"clock_hz": CLOCK_HZ, "baud": BAUD} | changes))


def expected_answer(core: BoardCore, network: Network, image: np.ndarray) -> Answer:
    """The answer by golden model and cycle model."""
    trace = golden.trace(network, image[None])
    scores = tuple(trace.scores[0].tolist())
    return Answer(core.info.cycles, int(trace.classes[0]), scores)


def simulate(core: BoardCore, *testbenches) -> None:
    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


def replies(core: BoardCore, count: int, into: list[Packet]):
    """A testbench that takes whole replies off the line."""

    async def host(ctx):
        for _ in range(count):
            frame = b""
            while not frame.endswith(b"\0"):
                frame += await receive_bytes(ctx, core.tx, 1, BIT, patience=20_000)
            into.append(protocol.decode_reply(frame[:-1]))

    return host


def converse(core: BoardCore, line: Sequence[bytes], count: int, gaps=lambda: ()) -> list[Packet]:
    """Send the bytes, take ``count`` replies."""
    received = []

    async def host(ctx):
        for data in line:
            await send_bytes(ctx, core.rx, data, BIT, gaps())

    simulate(core, host, replies(core, count, received))
    return received


def image_request(image: np.ndarray, sequence: int) -> bytes:
    return protocol.encode_request(Packet(protocol.IMAGE, sequence, image.tobytes()))


def request(kind: int, sequence: int = 0) -> bytes:
    return protocol.encode_request(Packet(kind, sequence))


def test_images_in_answers_out(network, seed):
    images = random_images(seed, network, 4)
    rng = random.Random(seed)
    core = make_core(network)
    numbers = [rng.getrandbits(32) for _ in images]
    line = [image_request(*pair) for pair in zip(images, numbers, strict=True)]
    received = converse(core, line, len(images), lambda: rng.choices([0, 0, 0, 25, 60], k=20))
    for image, number, packet in zip(images, numbers, received, strict=True):
        assert (packet.type, packet.sequence) == (protocol.IMAGE | protocol.REPLY, number)
        answer = Answer.unpack(packet.payload, CLASSES)
        assert answer == expected_answer(core, network, image)
        assert answer.cycles == total_cycles(compile_network(
            network, array="direct", pixels=4, channels=2))  # fmt: skip


def test_info_and_counters(network):
    (image,) = random_images(2, network, 1)
    core = make_core(network)
    line = [request(protocol.INFO, 7), image_request(image, 8), request(protocol.COUNTERS, 9)]
    info, _, counters = converse(core, line, 3)
    assert (info.type, info.sequence) == (protocol.INFO | protocol.REPLY, 7)
    assert Info.unpack(info.payload) == core.info
    assert core.info == describe(core._engine.program, CLOCK_HZ)
    counted = Counters.unpack(counters.payload)
    assert counted == Counters((1, 0, 0, 0, 0, 0), core.info.cycles)


def test_a_request_repeated_is_answered_again(network):
    first, second = random_images(3, network, 2)
    core = make_core(network)
    line = [image_request(first, 1), image_request(first, 1), image_request(second, 2)]
    received = converse(core, line, 3)
    assert [packet.sequence for packet in received] == [1, 1, 2]
    assert received[0] == received[1]
    answer = Answer.unpack(received[2].payload, CLASSES)
    assert answer == expected_answer(core, network, second)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda frame: frame[:10] + frame[11:], Tally.FRAME),
        (lambda frame: frame[:10] + b"\x55" + frame[10:], Tally.FRAME),
        (lambda frame: frame[:-1] + b"\x01\x02\0", Tally.FRAME),
        (lambda frame: frame[:12] + bytes([frame[12] ^ 1 or 2]) + frame[13:], Tally.CHECK),
        (lambda frame: frame[:15], Tally.FRAME),
        (lambda frame: b"\xff" * 9 + b"\0", Tally.FRAME),
    ],
)
def test_a_broken_frame_is_counted_and_costs_nothing_else(network, damage, kind):
    bad, good = np.full((2, 1, 4, 4), 200, np.uint8)
    core = make_core(network)
    line = [damage(image_request(bad, 1)), image_request(good, 2), request(protocol.COUNTERS, 3)]
    answer, counters = converse(core, line, 2)
    assert answer.sequence == 2
    assert Answer.unpack(answer.payload, CLASSES) == expected_answer(core, network, good)
    tally = [0] * len(Tally)
    tally[Tally.IMAGES] = tally[kind] = 1
    assert Counters.unpack(counters.payload).tally == tuple(tally)


def test_a_byte_without_stop_bit_costs_its_frame_only(network):
    first, second = random_images(4, network, 2)
    core = make_core(network)
    received = []

    async def host(ctx):
        data = image_request(first, 1)
        await send_bytes(ctx, core.rx, data[:12], BIT)
        assert ctx.get(core.status.image) == 1
        await send_byte(ctx, core.rx, data[12], BIT, stop=0)
        await ctx.tick().repeat(2 * BIT)
        await send_bytes(ctx, core.rx, data[13:], BIT)
        await ctx.tick().repeat(2)
        assert (ctx.get(core.status.image), ctx.get(core.status.fault)) == (0, 1)
        await send_bytes(ctx, core.rx, image_request(second, 2), BIT)
        await send_bytes(ctx, core.rx, request(protocol.COUNTERS, 3), BIT)

    simulate(core, host, replies(core, 2, received))
    assert [packet.sequence for packet in received] == [2, 3]
    assert Counters.unpack(received[1].payload).tally == (1, 1, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "packet",
    [
        Packet(99, 5),
        Packet(99, 5, b"abc"),
        Packet(protocol.IMAGE, 5, bytes(15)),
        Packet(protocol.IMAGE, 5),
        Packet(protocol.INFO, 5, b"\0"),
    ],
)
def test_what_is_no_request_is_refused(network, packet):
    core = make_core(network)
    line = [protocol.encode_request(packet), request(protocol.COUNTERS, 6)]
    refusal, counters = converse(core, line, 2)
    assert refusal == Packet(protocol.ERROR, 5, packet.type.to_bytes(4, "little"))
    assert Counters.unpack(counters.payload).tally == (0, 0, 0, 0, 0, 1)


def test_more_than_there_is_room_for_is_dropped_whole(network):
    """Images that come while a reply is on its way, without end: some get lost, none is wrong."""
    images = random_images(8, network, 8)
    core = make_core(network)
    # The smallest buffer of all that holds an image: BoardCore's own would take far more than this.
    core._depth = 32
    line = [image_request(image, n) for n, image in enumerate(images)]
    received = []

    async def host(ctx):
        for data in line:
            await send_bytes(ctx, core.rx, data, BIT)
        await ctx.tick().repeat(3000)
        await send_bytes(ctx, core.rx, request(protocol.COUNTERS, 99), BIT)

    async def listen(ctx):
        frame = b""
        while not received or received[-1].sequence != 99:
            frame += await receive_bytes(ctx, core.tx, 1, BIT, patience=50_000)
            if frame.endswith(b"\0"):
                received.append(protocol.decode_reply(frame[:-1]))
                frame = b""

    simulate(core, host, listen)
    for packet in received[:-1]:
        answer = Answer.unpack(packet.payload, CLASSES)
        assert answer == expected_answer(core, network, images[packet.sequence])
    tally = Counters.unpack(received[-1].payload).tally
    served = len(received) - 1
    assert tally[Tally.IMAGES] == served
    assert 0 < tally[Tally.OVERFLOW] == len(images) - served


def test_the_window_has_room(network):
    assert window(3072) == 2
    assert window(64) > 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"baud": CLOCK_HZ}, "too fast"), ({"baud": 0}, "positive")],
)
def test_impossible_settings_are_refused(network, changes, message):
    refused(network, ValueError, message, **changes)


def refused(network: Network, error: type, message: str, **changes) -> None:
    with warnings.catch_warnings():
        # Amaranth minds that a component whose constructor failed was never used.
        warnings.simplefilter("ignore")
        with pytest.raises(error, match=message):
            make_core(network, **changes)
        gc.collect()


def test_a_stem_is_refused(seed):
    graph = GraphBuilder(seed, (1, 4, 4), stem={"c_out": 2})
    graph.conv(3, tau=3)
    refused(graph.head(), UserError, "images of bytes only")


HEADS = {
    "flattened": {"classes": 5, "flatten": True},
    "one class": {"classes": 1, "flatten": True},
    "of a stream": {"classes": 4, "on": "stream"},
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_scores_that_come_one_by_one(seed, head):
    """Heads behind the last layer: every score, the class and the cycles."""
    graph = GraphBuilder(seed, (1, 4, 4))
    graph.conv(4, tau=3, **({"stream": 9} if head.get("on") else {}))
    network = graph.head(**head)
    images = random_images(seed, network, 3)
    core = make_core(network)
    line = [image_request(image, place) for place, image in enumerate(images)]
    *received, counters = converse(core, [*line, request(protocol.COUNTERS, 9)], len(line) + 1)
    for image, packet in zip(images, received, strict=True):
        answer = Answer.unpack(packet.payload, head["classes"])
        assert answer == expected_answer(core, network, image)
    assert Counters.unpack(counters.payload).cycles == core.info.cycles


def test_a_class_of_two_bytes(seed):
    graph = GraphBuilder(seed, (1, 2, 2))
    graph.conv(2, tau=3)
    made = graph.head(258)
    bias = np.where(np.arange(258) == 257, 1 << 20, made.head.bias).astype(np.int32)
    network = replace(made, layers=(*made.convs, replace(made.head, bias=bias)))
    (image,) = random_images(seed, network, 1)
    core = make_core(network)
    (packet,) = converse(core, [image_request(image, 1)], 1)
    answer = Answer.unpack(packet.payload, 258)
    assert answer == expected_answer(core, network, image)
    assert answer.label == 257
