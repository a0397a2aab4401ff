"""Stems on the host: the engine takes their streams, makes planes of them and adds them."""

import sys

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.flow.estimate import memories
from hw.inputs.stem import StemInput, level_words
from hw.maps.layout import pack_map
from model import golden
from model.host import engine_input
from sim.clocked import simulate
from sim.random_graph import GraphBuilder
from sim.stalls import Stalls
from sim.synthetic import random_images
from sim.verify import verify

# Set for each test, see the fixture.
ENGINE = "python"


@pytest.fixture(autouse=True)
def choose_engine(sim_engine, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ENGINE", sim_engine)


def run(network, images, stalls=None, **shape):
    """Simulate, and fail with the first difference; returns the recording."""
    program = compile_network(network, **{"pixels": 8, "channels": 4} | shape)
    verdict = verify(program, images, stalls=stalls, engine=ENGINE)
    assert verdict.problem is None, f"{verdict.problem} ({shape})"
    return verdict.recording


def stemmed(seed, image=(3, 6, 5), *, added=True, later=False, **stem):
    """A network behind a stem, whose stream layer 0 or a later one adds."""
    graph = GraphBuilder(seed, image, stem={"c_out": 5} | stem)
    first = graph.conv(5, tau=3, stream=10, residual=-1 if added else None)
    graph.conv(5, tau=3, stream=10, residual=-1 if later else first)
    return graph.head(on="stream")


@pytest.mark.parametrize("out_bits", [1, 3])
@pytest.mark.parametrize(("size", "pixels"), [((6, 5), 8), ((1, 1), 1), ((3, 9), 4), ((5, 4), 40)])
def test_words_of_planes_and_stream(size, pixels, out_bits, seed):
    graph = GraphBuilder(seed, (1, *size), stem={"c_out": 3, "out_bits": out_bits})
    graph.conv(3, stream=8, residual=-1)
    network = graph.head()
    images = random_images(seed, network, 2)
    streams, planes = golden.stem_outputs(network, images)
    stem, bits = network.stem, network.stem.stream.bits
    tiles = [pack_map(plane, pixels) for plane in planes]
    dut = StemInput(
        stem, level_words(stem), pixels=pixels, half_words=len(tiles[0]) * 3 * out_bits, kept=True
    )
    found_planes, found_words = {}, {}

    async def send(ctx):
        for value in engine_input(network, images).reshape(-1).tolist():
            ctx.set(dut.i.payload, value)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        while ctx.get(dut.full) != 3:
            await ctx.tick()

    async def record(ctx):
        while True:
            half = ctx.get(dut.write_half)
            if ctx.get(dut.write_valid):
                place = half, ctx.get(dut.write_tile), ctx.get(dut.write_channel)
                found_planes[place] = ctx.get(dut.write_data)
            if ctx.get(dut.stream_valid):
                found_words[half, ctx.get(dut.stream_address)] = ctx.get(dut.stream_word)
            await ctx.tick()

    simulate(dut, send, background=[record])
    for image, words in enumerate(tiles):
        for tile, row in enumerate(words):
            for channel, word in enumerate(row):
                assert found_planes[image, tile, channel] == word
            held = pack_map(np.ones((1, *stem.out_shape[1:]), bool), pixels)[tile][0]
            for channel in range(3):
                got = found_words[image, tile * 3 + channel]
                for bit in range(bits):
                    plane = (streams[image, [channel]] >> bit & 1).astype(bool)
                    lanes = pack_map(plane, pixels)[tile][0]
                    spread = sum((got >> bits * n + bit & 1) << n for n in range(pixels))
                    assert spread & held == lanes


CASES = {
    "3x3": {},
    "7x7, stride 2, pooled": {"kernel": 7, "stride": 2, "pool": "max3", "image": (3, 15, 14)},
    "1x1 map": {"image": (1, 1, 1)},
    "cut rows": {"image": (1, 3, 11)},
    "nobody adds it": {"added": False},
    "two add it": {"later": True},
    "added later only": {"added": False, "later": True},
    "wider than the other streams": {"stream": 16},
    "narrower": {"stream": 6},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_engine(seed, options):
    network = stemmed(seed, **options)
    run(network, random_images(seed, network, 4))


@pytest.mark.both_engines
def test_engine_with_stalls(seed):
    network = stemmed(seed)
    images = random_images(seed, network, 5)
    smooth = run(network, images)
    slow = run(network, images, stalls=Stalls(seed, pause=0.2, longest=60))
    assert slow.cycles == smooth.cycles


def test_engine_with_an_index_port(seed):
    network = stemmed(seed)
    run(network, random_images(seed, network, 3), index_port=8)


def test_estimate_knows_the_memories_of_both_ends(seed):
    """Widths and depths as the circuit has them: the stem's stream twice, sums, weights, scores."""
    program = compile_network(stemmed(seed), pixels=8, channels=4)
    found = memories(program)
    bits, head = program.network.stem.stream.bits, program.serial_head
    assert ("ram", 8 * bits, 2 * 6 * 5) in found  # a row of 5 is a word: 6 tiles of 5 channels
    assert ("ram", head.feature_bits, 5) in found
    assert ("rom", 8 * head.parallel, head.rounds * 5) in found
    assert ("ram", head.score_bits, 10) in found
