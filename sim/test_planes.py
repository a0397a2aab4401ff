"""Activations of several bits, plane by plane: sums doubled between them."""

from dataclasses import replace

import numpy as np
import pytest

from hw.compiler import compile_network
from model.errors import UserError
from model.network import Conv
from sim.random_graph import GraphBuilder
from sim.synthetic import random_images
from sim.verify import verify

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])


def run(network, images, *, engine="python", **shape):
    program = compile_network(network, **shape)
    verdict = verify(program, images, engine=engine)
    assert verdict.problem is None, f"{verdict.problem} ({shape})"


def grouped(network, widths):
    """The same network, its first layers taking their planes for numbers of so many bits.

    Only streams make such numbers elsewhere than in the input; here planes of one bit are them.
    """
    layers = list(network.layers)
    for place, in_bits in enumerate(widths):
        layer = layers[place]
        weights = "indices" if isinstance(layer, Conv) else "codes"
        kept = getattr(layer, weights)[:, : layer.c_in // in_bits]
        layers[place] = replace(layer, in_bits=in_bits, **{weights: kept})
    return replace(network, layers=tuple(layers))


MAPS = {
    "several groups": {"image": (3, 6, 5)},
    "one group": {"image": (1, 6, 5), "channels": 3},
    "groups of one": {"image": (2, 4, 5), "channels": 1},
    "1x1 map": {"image": (1, 1, 1)},
    "many tiles": {"image": (2, 9, 4), "pixels": 5},
    "stride 2, two reads": {"image": (3, 7, 6), "stride": 2},
    "wider than the lanes": {"image": (2, 3, 11), "pixels": 4},
    "stride 2, wider than the lanes": {"image": (2, 5, 11), "pixels": 4, "stride": 2},
}


@BOTH
@pytest.mark.parametrize("kind", ["conv", "pointwise"])
@pytest.mark.parametrize("options", MAPS.values(), ids=MAPS)
def test_pixels_of_eight_bits(seed, array, kind, options):
    options = {"pixels": 10, "channels": 2, "stride": 1} | options
    graph = GraphBuilder(seed, image=options["image"], encoding="binary")
    getattr(graph, kind)(5, stride=options["stride"])
    graph.conv(4)
    network = graph.head()
    shape = {name: options[name] for name in ("pixels", "channels")}
    run(network, random_images(seed, network, 2), array=array, **shape)


@BOTH
@pytest.mark.parametrize("padding", ["plus", "minus"])
def test_paddings_by_the_largest_numbers(seed, array, padding):
    graph = GraphBuilder(seed, image=(2, 5, 4), encoding="binary")
    graph.conv(5, padding=padding)
    network = graph.head()
    run(network, random_images(seed, network, 3), array=array, pixels=10, channels=3)


@BOTH
@pytest.mark.parametrize("words", [None, 4, 128], ids=["on chip", "small buffer", "kept"])
def test_several_widths_in_one_engine(seed, array, words):
    """Two, three and one bits of activations, two of weights; indices of planes come again."""
    graph = GraphBuilder(seed, image=(1, 6, 5), levels=6)
    graph.conv(6, tau=4)
    graph.conv(12, tau=4)
    graph.pointwise(4)
    graph.pointwise(5, weight_bits=2)
    network = grouped(graph.head(), (2, 3, 2))
    images = random_images(seed, network, 2)
    shape = {"array": array, "pixels": 12, "channels": 2}
    port = {} if words is None else {"index_port": 5, "index_buffer": words}
    run(network, images, **shape, **port)


@BOTH
def test_sums_at_their_ends(seed, array):
    """Flat images and kernels; thresholds that every sum, or none, reaches."""
    graph = GraphBuilder(seed, image=(1, 3, 3), encoding="binary")
    graph.conv(4, padding="plus")
    conv = graph.layers[0]
    conv.indices[:] = np.array([0, 0, 16, 16])[:, None]
    conv.thresholds[:] = np.array([-1, 1, -1, 1]) * 9 * 255
    network = graph.head()
    images = np.repeat(np.array([0, 255], np.uint8), 9).reshape(2, 1, 3, 3)
    run(network, images, array=array, pixels=9, channels=2)


def test_both_of_several_bits_is_refused(seed):
    graph = GraphBuilder(seed, image=(1, 3, 3), encoding="binary")
    graph.pointwise(4, weight_bits=2)
    with pytest.raises(UserError, match="layer pointwise0: activations and weights that both"):
        compile_network(graph.head())


@BOTH
def test_flattened_pixels(seed, array):
    graph = GraphBuilder(seed, image=(2, 5, 3), encoding="binary")
    graph.pointwise(5, flatten=True)
    network = graph.head()
    run(network, random_images(seed, network, 3), array=array, pixels=7, channels=2)


@BOTH
@pytest.mark.parametrize("port", [{}, {"index_port": 7, "index_buffer": 16}], ids=["chip", "port"])
def test_everything_at_once(seed, array, port):
    """Streams' numbers of several bits, a down-sampling shortcut, 8-bit weights, a dense layer."""
    graph = GraphBuilder(seed, image=(2, 8, 7), levels=3)
    first = graph.conv(5, tau=4, stream=10, out_bits=2)
    shortcut = graph.pointwise(9, stride=2, source=first, stream=12, out_bits=0)
    graph.conv(9, tau=4, stride=2, source=first, stream=12, residual=shortcut, out_bits=3)
    graph.conv(7, tau=4, padding="plus")
    graph.pointwise(6, weight_bits=8, stream=12, out_bits=2)
    graph.pointwise(5, flatten=True, stream=10)
    network = graph.head(on="stream")
    images = random_images(seed, network, 2)
    run(network, images, array=array, pixels=9, channels=2, **port)
