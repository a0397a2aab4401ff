"""Whole networks with streams and shortcuts through the engine: every tensor, every cycle."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.cycles import predict
from model import golden
from sim.comparison import Comparison
from sim.random_blocks import random_graph
from sim.random_graph import GraphBuilder
from sim.recorder import ImageTensors
from sim.stalls import Stalls
from sim.synthetic import random_images
from sim.verify import verify
from sim.waves.mismatch import Finder, word_of

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])
ENGINE = "python"


@pytest.fixture(autouse=True)
def choose_engine(sim_engine, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ENGINE", sim_engine)


def run(network, images, stalls=None, **shape):
    """Simulate, and fail with the first difference; returns the program."""
    program = compile_network(network, **shape)
    verdict = verify(program, images, stalls=stalls, engine=ENGINE)
    assert verdict.problem is None, f"{verdict.problem} ({shape})"
    streams = [conv.name for conv in network.convs if conv.stream]
    counted = [c.layer for c in verdict.comparison.tensors if c.tensor == "stream" and c.values]
    assert counted == streams
    return program


def blocks(seed, image=(1, 7, 6), channels=(6, 5)):
    """Two blocks as in a ResNet: one plain, one at stride 2 with a branch beside it."""
    narrow, wide = channels
    graph = GraphBuilder(seed, image=image)
    first = graph.conv(narrow, stream=10)
    graph.conv(narrow, stream=10, out_bits=1)
    second = graph.conv(narrow, stream=10, residual=first, prelu=True)
    inner = graph.conv(wide, stride=2)
    side = graph.conv(wide, stream=9, stride=2, source=second, out_bits=0)
    graph.conv(wide, stream=11, residual=side, source=inner)
    return graph.head(4)


@BOTH
def test_blocks_and_a_branch_at_stride_2(seed, array):
    network = blocks(seed)
    program = run(network, random_images(seed, network, 3), array=array, pixels=12, channels=4)
    assert not program.chain and program.sizes.stream_words


@BOTH
@pytest.mark.parametrize("image", [(1, 1, 1), (3, 1, 5), (2, 5, 3)], ids=str)
def test_odd_channels_at_every_border(seed, array, image):
    """Sums of an odd number of channels are odd or even, by the place in the map."""
    graph = GraphBuilder(seed, image=image)
    first = graph.conv(3, stream=12)
    graph.conv(3, stream=12, residual=first, prelu=True)
    network = graph.head(3)
    program = run(network, random_images(seed, network, 3), array=array, pixels=7, channels=2)
    assert any(plan.stream.odd for plan in program.plans)


def test_values_saturate_both_ways(seed):
    """What the networks above are drawn for is really seen: both ends of the stream."""
    network = blocks(seed)
    trace = golden.trace(network, random_images(seed, network, 3))
    ends = [conv.stream and 1 << conv.stream.bits - 1 for conv in network.convs]
    pairs = [(s, end) for s, end in zip(trace.streams, ends, strict=True) if end]
    assert any((stream == end - 1).any() for stream, end in pairs)
    assert any((stream == -end).any() for stream, end in pairs)


def test_a_residual_of_every_layer_lies_in_one_place(seed):
    """As in ReActNet: each stream is added to the next and takes its place."""
    graph = GraphBuilder(seed, image=(1, 6, 5))
    place = graph.conv(4, stream=8)
    for _ in range(3):
        place = graph.conv(4, stream=8, residual=place, prelu=True)
    network = graph.head(3)
    program = run(network, random_images(seed, network, 3), array="shared", pixels=10, channels=4)
    assert program.sizes.stream_words == 4 * 3
    assert program.chain


def test_a_stream_that_is_added_twice_stays(seed):
    graph = GraphBuilder(seed, image=(1, 6, 5))
    first = graph.conv(4, stream=8)
    second = graph.conv(4, stream=8, residual=first)
    graph.conv(4, stream=8, residual=first)
    graph.conv(4, stream=8, residual=second, source=first)
    network = graph.head(3)
    program = run(network, random_images(seed, network, 3), array="shared", pixels=10, channels=4)
    assert program.sizes.stream_words == 2 * 4 * 3


def test_the_image_is_read_by_later_layers(seed):
    """It stays in the input memory until the last of them; images come back to back."""
    graph = GraphBuilder(seed, image=(2, 6, 5), levels=2)
    graph.conv(4)
    graph.conv(5, source=-1, pool="max2")
    graph.conv(5, source=-1)
    graph.conv(3, source=1, stride=2)
    network = graph.head(3)
    images = random_images(seed, network, 4)
    program = run(network, images, array="direct", pixels=10, channels=4)
    assert [plan.release for plan in program.plans] == [False, False, True, False]
    assert [plan.stored for plan in program.plans] == [False, True, False, False]


def test_rows_cut_into_tiles(seed):
    graph = GraphBuilder(seed, image=(1, 5, 9))
    first = graph.conv(3, stream=9)
    graph.conv(3, stream=9, residual=first)
    network = graph.head(3)
    run(network, random_images(seed, network, 2), array="direct", pixels=4, channels=2)


def test_plain_layers_pool_beside_streams(seed):
    graph = GraphBuilder(seed, image=(1, 8, 6))
    graph.conv(4, pool="max2")
    first = graph.conv(4, stream=9)
    graph.conv(4, stream=12, residual=first)
    graph.conv(4)
    network = graph.head(3)
    run(network, random_images(seed, network, 2), array="shared", pixels=12, channels=4)


@pytest.mark.both_engines
def test_with_an_index_port_and_pauses(seed):
    network = blocks(seed)
    images = random_images(seed, network, 3)
    shape = {"array": "shared", "pixels": 12, "channels": 4, "index_port": 8, "index_buffer": 16}
    run(network, images, **shape)
    run(network, images, Stalls(seed, pause=0.1), **shape)


def test_cycles_of_a_plain_network_do_not_change(seed):
    """The stream unit shows in an engine that has one, in the drain of all its layers."""
    plain, streams = GraphBuilder(seed), GraphBuilder(seed)
    plain.conv(4), plain.conv(4)
    streams.conv(4), streams.conv(4, stream=9)
    drains = [
        [row.drain for row in predict(compile_network(graph.head(3)))][:-1]
        for graph in (plain, streams)
    ]
    assert np.array_equal(drains[1], [drain + 4 for drain in drains[0]])


@BOTH
@pytest.mark.parametrize("channels", [2, 4, 16])
def test_several_planes_a_channel(seed, array, channels):
    """Few groups of input channels: passes wait until the planes of the tile before are out."""
    graph = GraphBuilder(seed, image=(1, 5, 4), levels=4)
    graph.conv(6, stream=10, out_bits=3)
    plain = graph.conv(6, source=-1, pool="max2")
    graph.conv(3, source=-1, stream=8, out_bits=8)
    graph.conv(7, source=plain, stream=8, out_bits=2)
    graph.conv(5, source=plain)
    network = graph.head(4)
    images = random_images(seed, network, 2)
    program = run(network, images, array=array, pixels=5, channels=channels)
    wide = program.plans[2]
    assert wide.pass_cycles >= -(-8 * wide.c_out // wide.groups)


@pytest.mark.parametrize("place", [0, 4])
def test_a_wrong_stream_is_named(seed, place):
    """One offset is changed in the engine: the first difference is that of the integer model with
    the same change, and the cycle in which its word was written is found."""
    network = blocks(seed)
    images = random_images(seed, network, 2)
    conv = network.layers[place]
    offsets = conv.stream.offsets.copy()
    offsets[2] += 3 << conv.stream.shift
    layers = list(network.layers)
    layers[place] = replace(conv, stream=replace(conv.stream, offsets=offsets))
    broken = replace(network, layers=tuple(layers))
    trace, expected = golden.trace(broken, images), Comparison(network, images)
    for n in range(2):
        activations, streams = (
            tuple(None if maps is None else maps[n] for maps in each)
            for each in (trace.activations, trace.streams)
        )
        found = (trace.planes[n], activations, trace.scores[n], int(trace.classes[n]), streams)
        expected.add(n, [ImageTensors(*found)])

    program = compile_network(broken, array="direct", pixels=12, channels=4)
    program = replace(program, network=network)
    comparison = verify(program, images).comparison
    first = comparison.first
    assert (first.layer, first.tensor, first.channel) == (conv.name, "stream", 2)
    assert first == expected.first and comparison.tensors == expected.tensors
    assert str(first).startswith(f"image {first.image}, layer {conv.name}, stream: channel 2, row")
    finder = Finder(word_of(first, 0, program), program)
    verify(program, images, look=finder)
    assert finder.found is not None


@pytest.mark.parametrize("number", range(6))
def test_random_graphs(seed, number):
    case = random_graph(1000 * seed + number)
    run(case.network, random_images(seed, case.network, 2), **case.shape)
