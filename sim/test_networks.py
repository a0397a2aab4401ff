"""Published networks, cut: the golden model runs them, and so does the engine."""

import numpy as np
import pytest

from hw.compiler import compile_network
from model import golden
from model.errors import UserError
from model.network import Conv, Pointwise
from sim.compiled.toolchain import missing
from sim.networks import NETWORKS, published_network
from sim.stem_cost import stem_cost
from sim.synthetic import random_images
from sim.verify import verify

# (3x3 convolutions, 1x1 convolutions, weights of the 3x3 ones, image)
PUBLISHED = {
    "resnet18": (16, 3, 10_985_472, (3, 224, 224)),
    "resnet18-mean": (16, 3, 10_985_472, (3, 224, 224)),
    "resnet34": (32, 3, 21_086_208, (3, 224, 224)),
    "resnet20": (18, 2, 267_264, (3, 32, 32)),
    "vgg-small": (6, 0, 4_574_592, (3, 32, 32)),
    "cnv": (6, 0, 506_304, (3, 32, 32)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_the_published_ones(name, seed):
    network = published_network(name, 5, seed)
    convs = [conv for conv in network.convs if isinstance(conv, Conv)]
    points = [conv for conv in network.convs if isinstance(conv, Pointwise)]
    weights = sum(9 * conv.c_in * conv.c_out for conv in convs)
    assert (len(convs), len(points), weights, network.image) == PUBLISHED[name]
    # Each 3x3 convolution of a residual network has a shortcut of its own.
    if network.stem:
        assert all(conv.stream.residual is not None for conv in convs)


@pytest.mark.parametrize("name", NETWORKS)
def test_golden_model_runs_it(name, seed):
    network = published_network(name, 5, seed, rows=8)
    images = random_images(seed, network, 2)
    trace = golden.trace(network, images)
    assert trace.scores.shape == (2, network.head.classes)
    # Random thresholds lie where values fall: no map is all the same.
    for planes in trace.activations:
        assert planes is None or 0.02 < planes.mean() < 0.98
    assert np.ptp(trace.scores) > 0


def test_unknown_network():
    with pytest.raises(UserError, match="known networks: resnet18"):
        published_network("resnet19", 5, 0)


def test_stem_cost():
    """7 x 7 x 3 weights for each of 64 channels at 112 x 112 places; by hand."""
    macs, cycles, convs = stem_cost("resnet18")
    assert macs == 49 * 3 * 64 * 112 * 112
    assert cycles == -(-macs // 90)
    assert convs < cycles


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing() or "")
@pytest.mark.parametrize("name", ["resnet20", "vgg-small"])
def test_engine_runs_it(name, seed):
    network = published_network(name, 5, seed, rows=8)
    program = compile_network(network, pixels=32, channels=16)
    verdict = verify(program, random_images(seed, network, 2), engine="compiled")
    assert verdict.problem is None
