"""1x1 convolutions and dense layers through the engine, against the golden model."""

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.pointwise import bundles, universal_codebook, universal_indices
from model import bits
from model.errors import UserError
from sim.random_graph import GraphBuilder
from sim.synthetic import random_images
from sim.verify import verify

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])


def run(network, images, *, engine="python", **shape):
    """Simulate, and fail with the first difference; returns the recording."""
    program = compile_network(network, **shape)
    verdict = verify(program, images, engine=engine)
    assert verdict.problem is None, f"{verdict.problem} ({shape})"
    return verdict.recording


@pytest.mark.parametrize("tau", [3, 4, 5, 6])
@pytest.mark.parametrize("antipodal", [True, False])
def test_codebook_has_every_pattern(tau, antipodal):
    codebook = universal_codebook(tau, antipodal)
    patterns = np.arange(1 << tau)
    indices = universal_indices(patterns, tau, antipodal)
    assert (codebook[indices] & ((1 << tau) - 1) == patterns).all()
    assert len(set(codebook.tolist())) == 1 << tau
    if antipodal:
        assert bits.is_antipodal(codebook)


def test_bundles_hold_the_weights(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 8, (4, 11))
    patterns = bundles(codes, 3, 5)
    assert patterns.shape == (3, 4, 3)
    for plane, channel in np.ndindex(3, 11):
        found = patterns[plane, :, channel // 5] >> channel % 5 & 1
        assert np.array_equal(found, codes[:, channel] >> 2 - plane & 1)


@BOTH
@pytest.mark.parametrize("antipodal", [True, False], ids=["antipodal", "general"])
@pytest.mark.parametrize("tau", [4, 5, 6, 9])
def test_codebooks(seed, array, tau, antipodal):
    """Between 3x3 convolutions whose codebooks say how many channels a bundle has."""
    if tau == bits.TAPS and (array == "shared" or antipodal):
        pytest.skip("plain kernels have no codebook")
    graph = GraphBuilder(seed, image=(1, 6, 5), levels=4)
    graph.conv(4 * tau - 1, tau=tau, antipodal=antipodal)  # two groups of two full bundles, but one
    graph.pointwise(7)
    graph.conv(6, tau=tau, antipodal=antipodal)
    network = graph.head()
    run(network, random_images(seed, network, 3), array=array, pixels=12, channels=2)


CORNERS = {
    "nothing divides": {"levels": 11, "c_out": 9},
    "one channel": {"levels": 1},
    "fewer channels than a bundle": {"levels": 3},
    "one bundle a group": {"levels": 12, "channels": 1},
    "more slots than bundles": {"levels": 6, "channels": 8},
    "1x1 map": {"image": (1, 1, 1), "levels": 7},
    "one output": {"c_out": 1, "levels": 8},
    "pooled": {"image": (1, 7, 6), "pool": "max2"},
    "two colours, many tiles": {"image": (2, 9, 4), "pixels": 5, "levels": 4},
    "a map wider than the lanes": {"image": (1, 3, 11), "pixels": 4},
    "pooled, wider than the lanes": {"image": (1, 5, 11), "pixels": 4, "pool": "max2"},
}
STRIDES = {
    "two reads a channel": {"image": (1, 12, 8)},
    "two reads, odd sides": {"image": (1, 9, 7)},
    "two reads, many tiles": {"image": (1, 11, 4), "levels": 7},
    "one read a channel": {"image": (1, 7, 3), "pixels": 6},
    "the second read would pass the end": {"image": (1, 4, 4), "pixels": 16},
    "1x1 map": {"image": (1, 1, 1)},
    "one row": {"image": (2, 1, 7)},
    "one column": {"image": (1, 7, 1)},
    "pooled": {"image": (1, 11, 6), "pool": "max2"},
    "a map wider than the lanes": {"image": (1, 5, 11), "pixels": 4},
    "outputs wider than the lanes": {"image": (1, 4, 13), "pixels": 4},
    "odd lanes": {"image": (1, 4, 9), "pixels": 5},
}


def alone(seed, options, **layer):
    """A 1x1 convolution and a 3x3 one behind it; the network and its engine's shape."""
    options = {"image": (1, 6, 5), "levels": 5, "c_out": 7, "pixels": 9, "channels": 2} | options
    graph = GraphBuilder(seed, image=options["image"], levels=options["levels"])
    graph.pointwise(options["c_out"], pool=options.get("pool", "none"), **layer)
    graph.conv(4, tau=4)
    return graph.head(), {name: options[name] for name in ("pixels", "channels")}


@BOTH
@pytest.mark.parametrize("options", CORNERS.values(), ids=CORNERS)
def test_ugly_sizes(seed, array, options):
    network, shape = alone(seed, options)
    run(network, random_images(seed, network, 3), array=array, **shape)


@BOTH
@pytest.mark.parametrize("options", STRIDES.values(), ids=STRIDES)
def test_stride_two(seed, array, options):
    network, shape = alone(seed, options, stride=2)
    run(network, random_images(seed, network, 3), array=array, **shape)


@BOTH
def test_down_sampling_beside_a_3x3_of_stride_two(seed, array):
    """Both wirings of a width at once; the fill of every number of units."""
    graph = GraphBuilder(seed, image=(1, 8, 8), levels=6)
    graph.conv(9, stride=2)
    graph.pointwise(12, stride=2)
    graph.conv(3)
    network = graph.head()
    for fill in (1, 2, 4) if array == "shared" else (None,):
        images = random_images(seed, network, 2)
        run(network, images, array=array, pixels=16, channels=4, fill=fill)


@BOTH
def test_nothing_but_1x1_convolutions(seed, array):
    graph = GraphBuilder(seed, image=(1, 5, 4), levels=11)
    graph.pointwise(13)
    graph.pointwise(3)
    network = graph.head()
    run(network, random_images(seed, network, 3), array=array, pixels=8, channels=2)


@BOTH
@pytest.mark.parametrize("weight_bits", [2, 3, 8])
def test_weights_of_several_bits(seed, array, weight_bits):
    """Between layers of one bit, so that the engine doubles in one and not in another."""
    graph = GraphBuilder(seed, image=(1, 6, 5), levels=4)
    graph.conv(11, tau=4)
    graph.pointwise(7, weight_bits=weight_bits)
    graph.pointwise(6, weight_bits=2)
    graph.conv(5, tau=4)
    network = graph.head()
    run(network, random_images(seed, network, 3), array=array, pixels=12, channels=2)


@pytest.mark.parametrize("options", CORNERS.values(), ids=CORNERS)
def test_ugly_sizes_of_several_bits(seed, options):
    network, shape = alone(seed, options, weight_bits=3)
    run(network, random_images(seed, network, 2), array="shared", **shape)


@BOTH
def test_equal_weights_and_inputs(seed, array):
    """Sums at their ends, thresholds on them."""
    graph = GraphBuilder(seed, image=(1, 2, 3), levels=7)
    graph.pointwise(6, weight_bits=4)
    graph.layers[0].codes[:] = np.array([0, 15, 0, 15, 0, 15])[:, None]
    graph.layers[0].thresholds[:] = np.array([1, 1, -1, -1, 0, 0]) * 7 * 15 + [0, 0, 0, 0, 0, 1]
    network = graph.head()
    images = np.repeat(np.array([0, 255], np.uint8), 6).reshape(2, 1, 2, 3)
    run(network, images, array=array, pixels=6, channels=2)


@BOTH
@pytest.mark.parametrize("words", [4, 64], ids=["again for each tile", "kept"])
def test_indices_through_a_port(seed, array, words):
    graph = GraphBuilder(seed, image=(1, 6, 5), levels=5)
    graph.pointwise(7, weight_bits=2)
    graph.conv(5, tau=4)
    network = graph.head()
    shape = {"array": array, "pixels": 12, "channels": 2, "index_buffer": words}
    for port in (3, 10):
        run(network, random_images(seed, network, 2), index_port=port, **shape)


def test_on_the_compiled_engine(seed):
    graph = GraphBuilder(seed, image=(1, 8, 8), levels=12)
    graph.conv(20)
    graph.pointwise(24, stride=2, weight_bits=8)
    graph.pointwise(16)
    network = graph.head()
    shape = {"array": "shared", "pixels": 16, "channels": 4}
    run(network, random_images(seed, network, 20), engine="compiled", **shape)


FLAT = {
    "one tile": {"image": (1, 3, 3), "levels": 5},
    "many tiles": {"image": (1, 7, 4), "levels": 3, "pixels": 4},
    "two rows a tile": {"image": (1, 7, 4), "levels": 3, "pixels": 9},
    "one channel": {"image": (1, 5, 3), "levels": 1},
    "1x1 map": {"image": (1, 1, 1), "levels": 7},
    "more than a word of pixels": {"image": (2, 3, 4), "levels": 4, "pixels": 16},
    "weights of three bits": {"image": (1, 5, 3), "levels": 4, "weight_bits": 3},
    "one output": {"image": (1, 4, 4), "levels": 3, "c_out": 1},
}


@BOTH
@pytest.mark.parametrize("options", FLAT.values(), ids=FLAT)
def test_flattened_maps(seed, array, options):
    """The image itself, or behind another layer; a dense layer behind it."""
    options = {"c_out": 7, "pixels": 9, "channels": 2, "weight_bits": 1} | options
    shape = {name: options[name] for name in ("pixels", "channels")}
    graph = GraphBuilder(seed, image=options["image"], levels=options["levels"])
    if array == "shared":
        graph.conv(3, tau=4)
    graph.pointwise(options["c_out"], flatten=True, weight_bits=options["weight_bits"])
    graph.pointwise(4)
    network = graph.head()
    run(network, random_images(seed, network, 3), array=array, **shape)


def test_flattening_a_map_wider_than_the_lanes_is_refused(seed):
    graph = GraphBuilder(seed, image=(1, 3, 9))
    graph.pointwise(4, flatten=True)
    with pytest.raises(UserError, match="layer pointwise0: .* too few for flattening"):
        compile_network(graph.head(), pixels=8)
