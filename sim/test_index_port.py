"""Indices through a port: the gearbox bit by bit, the stream against the network, whole networks
with exact cycles at any width of the port, and a port that hesitates."""

import gc
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest

from hw.bounds import bound
from hw.compiler import compile_network
from hw.cycles import predict, total_cycles
from hw.engine import Engine
from hw.index.gearbox import Gearbox
from hw.index.schedule import index_waits
from hw.index.stream import fetched_words, index_stream, port_words, resident
from hw.params import IndexPort
from hw.top import BoardCore
from hw.traffic import traffic
from model.errors import CheckError, UserError
from model.shipped import load_model
from sim import bandwidth
from sim import run as command
from sim.clocked import simulate
from sim.stacks import STACKS, Stack
from sim.stalls import Stalls
from sim.synthetic import random_case, random_images, random_network
from sim.verify import verify
from sim.watcher import check_supply

ARRAYS = [
    {"array": "shared", "pixels": 20, "channels": 4, "fill": 2},
    {"array": "direct", "pixels": 9, "channels": 3},
]
by_array = pytest.mark.parametrize("shape", ARRAYS, ids=lambda shape: shape["array"])


def network_for(seed, tau=3):
    """Several groups and tiles; layers that fit a small index buffer and one that does not."""
    return random_network(
        seed, image=(1, 7, 9), levels=4, channels=(5, 9, 3), tau=tau, pools=("max2", "none", "none")
    )


def ported(network, bits, words=16, **shape):
    return compile_network(network, index_port=bits, index_buffer=words, **shape)


# The gearbox.


def through_gearbox(port, word, sent, pauses=None, most=100_000):
    """The words that come out, and in which cycle each; ``pauses`` hesitate at both ends."""
    dut = Gearbox(port, word)
    count = len(sent) * port // word
    found, when = [], []

    async def feed(ctx):
        for value in sent:
            while pauses and pauses.random() < 0.4:
                await ctx.tick()
            ctx.set(dut.i.payload, value)
            ctx.set(dut.i.valid, 1)
            taken = False
            while not taken:
                _, _, taken = await ctx.tick().sample(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def accept(ctx):
        cycle = 0
        while len(found) < count:
            ready = not (pauses and pauses.random() < 0.4)
            ctx.set(dut.o.ready, ready)
            _, _, valid, value = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid and ready:
                found.append(value)
                when.append(cycle)
            cycle += 1

    simulate(dut, accept, background=[feed], cycles=most)
    return found, when


@pytest.mark.parametrize("paused", [False, True], ids=["full pace", "pauses"])
@pytest.mark.parametrize(
    ("port", "word"),
    [(1, 1), (1, 9), (9, 1), (8, 20), (20, 8), (16, 16), (32, 80), (64, 20), (7, 5), (13, 36)],
)
def test_gearbox(seed, port, word, paused):
    """Every bit in order; without pauses word n comes after exactly the port words it needs."""
    rng = random.Random(seed)
    sent = [rng.getrandbits(port) for _ in range(-(-12 * word // port))]
    found, when = through_gearbox(port, word, sent, rng if paused else None)
    stream = sum(value << (port * place) for place, value in enumerate(sent))
    mask = (1 << word) - 1
    assert found == [stream >> (word * n) & mask for n in range(len(found))]
    assert len(found) >= 12
    if not paused:
        # One port word a cycle, one index word a cycle, and a cycle from port to word.
        expected = []
        for number in range(len(found)):
            there = -(-(number + 1) * word // port)
            expected.append(max(there, expected[-1] + 1 if expected else 0))
        assert when == expected


# The stream.


@by_array
@pytest.mark.parametrize("words", [2, 16, 1024])
def test_stream_holds_every_index_as_often_as_it_is_used(seed, shape, words):
    """Read back bit by bit: per layer its indices, group by group, once or once a tile."""
    network = network_for(seed)
    program = ported(network, 7, words, **shape)
    channels, tau = shape["channels"], program.parameters.tau
    bits = [int(value) >> place & 1 for (value,) in index_stream(program) for place in range(7)]
    at = 0
    for plan, conv in zip(program.plans, network.convs, strict=True):
        stays = plan.groups * plan.c_out <= words
        for _ in range(1 if stays else plan.tiles):
            for first in range(0, conv.c_in, channels):
                for channel in range(conv.c_out):
                    for lane in range(channels):
                        index = sum(bits[at + n] << n for n in range(tau))
                        at += tau
                        known = first + lane < conv.c_in
                        assert index == (conv.indices[channel, first + lane] if known else 0)
    assert len(bits) - at < 7 and not any(bits[at:])
    moved = traffic(program)
    assert sum(layer.index_bits_fetched for layer in moved) == at
    assert all(layer.index_bits_fetched <= layer.index_bits_read for layer in moved)


def test_wide_port_words_have_their_low_bits_first(seed):
    program = ported(network_for(seed), 45, **ARRAYS[0])
    stream = index_stream(program)
    assert stream.shape == (port_words(program), 2) and stream.dtype == np.uint32
    first = program.images.indices[:4]
    width = program.parameters.index_bits
    packed = sum(word << (width * place) for place, word in enumerate(first))
    low, high = stream[0].tolist()
    assert low | high << 32 == packed & (1 << 45) - 1


# Whole networks.


@by_array
@pytest.mark.parametrize("words", [2, 256])
@pytest.mark.parametrize("bits", [1, 9, 16, 64])
def test_networks(seed, shape, bits, words):
    """Every value and every layer's cycles, on images back to back."""
    network = network_for(seed)
    program = ported(network, bits, words, **shape)
    verdict = verify(program, random_images(seed, network, 2))
    assert verdict.problem is None
    assert len(verdict.recording.images) == 2


def test_plain_kernels(seed):
    network = network_for(seed, tau=9)
    program = ported(network, 8, array="direct", pixels=9, channels=3)
    assert verify(program, random_images(seed, network, 2)).problem is None


READS = {
    "two reads a channel": {"image": (1, 12, 8), "strides": (2, 1), "pixels": 9},
    "three": {"image": (1, 4, 9)},
    "three at stride 2": {"image": (1, 7, 9), "strides": (2, 1)},
    "three, pooled": {"image": (1, 4, 19), "pools": ("max2", "none")},
}


@pytest.mark.parametrize("array", ["direct", "shared"])
@pytest.mark.parametrize("options", READS.values(), ids=READS)
def test_layers_that_begin_later(seed, array, options):
    """Several reads a channel: the first index word is wanted later, and so waited for less."""
    options = {"pools": ("none", "none"), "channels": (4, 5), "levels": 5, "tau": 3} | options
    pixels = options.pop("pixels", 8)
    network = random_network(seed, **options)
    for bits, words in ((4, 8), (16, 64)):
        program = ported(network, bits, words, array=array, pixels=pixels, channels=3)
        assert verify(program, random_images(seed, network, 2)).problem is None


@pytest.mark.parametrize("number", range(8))
def test_random_networks(seed, number):
    """Ugly sizes: maps of one pixel, single channels, groups that are not full."""
    case = random_case(1000 * seed + number, work=6000)
    rng = random.Random(number)
    bits, words = rng.choice([1, 3, 8, 24, 45, 100]), rng.choice([2, 4, 32, 1024])
    program = ported(case.network, bits, words, **case.shape)
    assert verify(program, case.images).problem is None


@by_array
def test_waiting_elsewhere_changes_no_layers_cycles(seed, shape):
    """Pixels that come late and results that are not taken stop the port, too."""
    network = network_for(seed)
    program = ported(network, 5, **shape)
    stalls = Stalls(seed, pause=0.3, block=400)
    assert verify(program, random_images(seed, network, 3), stalls=stalls).problem is None


@pytest.mark.both_engines
def test_a_port_that_hesitates(seed, sim_engine):
    """All values stay right; layers only take longer; the compiled engine takes as long."""
    network = network_for(seed)
    program = ported(network, 5, **ARRAYS[0])
    stalls = Stalls(seed, pause=0.1, index_pause=0.4)
    images = random_images(seed, network, 3)
    verdict = verify(program, images, stalls=stalls, engine=sim_engine)
    assert verdict.comparison.first is None and len(verdict.recording.images) == 3
    longer = [sum(map(sum, image)) for image in verdict.recording.cycles]
    assert min(longer) > total_cycles(program)
    if sim_engine == "compiled":
        other = verify(program, images, stalls=stalls).recording
        assert other.cycles == verdict.recording.cycles
        assert other.results == verdict.recording.results
        assert other.total == verdict.recording.total


def test_a_wrong_prediction_is_noticed(seed):
    """The cycles checked are those of the port: a buffer of another size is told apart."""
    network = network_for(seed)
    program = ported(network, 5, 2, **ARRAYS[0])
    other = replace(program, index_port=IndexPort(5, 256))
    assert index_waits(program) != index_waits(other)
    with pytest.raises(CheckError, match=r"took 1 words of its index port, not 2"):
        check_supply(1, 2)


# The model.


def test_on_chip_nothing_waits_and_nothing_changes(seed):
    network = load_model("digits")
    program = compile_network(network, pixels=32, channels=16)
    assert program.index_port is None and index_waits(program) == (0,) * len(program.plans)
    assert total_cycles(program) - program.head_cycles == 741
    assert all(layer.index_bits_fetched == 0 for layer in traffic(program))


def test_slow_port_sets_the_pace(seed):
    """Far below a word a cycle, an image takes as long as its bits take to come in; far above,
    it waits only for each image's first word."""
    network = random_network(
        seed, image=(1, 4, 4), levels=32, channels=(64, 64), pools=("none", "none"), tau=4
    )
    shape = {"array": "direct", "pixels": 16, "channels": 8}
    free = total_cycles(compile_network(network, **shape))
    slow = ported(network, 1, 1024, **shape)
    bits = sum(fetched_words(slow, plan) for plan in slow.plans) * 32
    over = total_cycles(slow) - bits
    assert 0 < over < 2 * free / 10
    fast = total_cycles(ported(network, 64, 1024, **shape))
    assert free <= fast <= free + 3


def test_residency(seed):
    program = ported(network_for(seed), 8, 16, **ARRAYS[0])
    first, second, third = program.plans
    assert first.tiles > 1 and resident(program, first)
    assert second.index_words > 16 and not resident(program, second)
    assert fetched_words(program, second) == second.index_words * second.tiles
    assert fetched_words(program, third) == third.index_words


def test_bound_names_the_port(seed):
    network = random_network(
        seed, image=(1, 8, 8), levels=4, channels=(64,), pools=("none",), tau=3, antipodal=False
    )
    for bits, kind in ((64, "lanes"), (3, "index bandwidth")):
        program = ported(network, bits, 2, pixels=64, channels=4)
        found = bound(program, program.plans[0], predict(program)[0])
        assert found.kind == kind
        assert ("waits" in found.reason) == (bits == 3)


# Refusals.


@pytest.mark.parametrize(
    ("bits", "words", "message"),
    [
        (0, None, "index port bits must be a whole number from 1"),
        (-8, None, "index port bits"),
        (2000, None, "index port bits"),
        (8, 1, "index buffer words must be a whole number from 2"),
        (8, 24, "index buffer words must be a power of two, not 24"),
        (None, 64, "an index buffer belongs to an index port"),
    ],
)
def test_refusals(seed, bits, words, message):
    with pytest.raises(UserError, match=message) as caught:
        ported(network_for(seed), bits, words)
    assert "\n" not in str(caught.value)


def test_no_board_supplies_a_port(seed):
    program = ported(network_for(seed), 8, **ARRAYS[1])
    with warnings.catch_warnings():
        # Amaranth minds that components were never used.
        warnings.simplefilter("ignore")
        with pytest.raises(UserError, match="index port cannot be built for a board"):
            BoardCore(Engine(program), clock_hz=1e8, baud=1e6)
        gc.collect()


# The commands.


def test_run_with_a_port(tmp_path):
    options = ("--model", "digits", "--pixels", "32", "--images", "1", "--engine", "python")
    given = (*options, "--channels", "16", "--index-port", "24", "--index-buffer", "64")
    assert command.main([*given, "--out", str(tmp_path)]) == 0
    text = (tmp_path / "report.md").read_text()
    assert "index port: 24 bits a cycle, 64 index words kept" in text
    assert "index bandwidth" in text
    with pytest.raises(UserError, match="--index-port must be a whole number of at least 1"):
        command.main([*given, "--index-port", "0"])


def test_bandwidth_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(STACKS, "vgg-small", Stack(6, 8, ((8,), (12,))))
    shape = ("--stack", "vgg-small", "--pixels", "12", "--channels", "4", "--index-buffer", "8")
    given = (*shape, "--widths", "4", "512", "--simulate", "16", "--engine", "python")
    assert bandwidth.main([*given, "--out", str(tmp_path)]) == 0
    assert "simulated at 16 bits a cycle" in capsys.readouterr().out
    with pytest.raises(UserError, match="index port bits"):
        bandwidth.main([*shape, "--widths", "0"])


def test_speedup_tends_to_the_ratio_of_the_weights():
    """9 bits against 5, where the port alone sets the pace; less where it does not."""
    binary, subbit = bandwidth.engines("vgg-small", "0.56", pixels=32, channels=16)
    rows = [bandwidth.bandwidth_row(binary, subbit, bits) for bits in (1, 8, 64, 512)]
    speedups = [row.speedup for row in rows]
    assert speedups == sorted(speedups, reverse=True)
    assert 1.7 < speedups[0] < 1.8
    assert [row.binary_cycles for row in rows] == sorted(row.binary_cycles for row in rows)[::-1]
