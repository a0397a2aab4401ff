"""The shipped networks on real images, through the whole accelerator."""

import numpy as np
import pytest

from hw.compiler import compile_network
from model import datasets, golden
from model.shipped import load_model, names
from sim.verify import verify

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])


def run(name, data_dir, engine, array, count, pixels, channels):
    """Simulate the first test images; every tensor and every cycle as it should be."""
    network = load_model(name)
    data = datasets.load(network.provenance["dataset"], data_dir, "test")
    images = data.images[:count]
    program = compile_network(network, array=array, pixels=pixels, channels=channels)
    verdict = verify(program, images, engine=engine)
    assert verdict.problem is None
    found = np.array([tensors.label for tensors in verdict.recording.images])
    assert np.array_equal(found, golden.classify(network, images))
    return verdict, (found == data.labels[:count]).mean()


@pytest.mark.both_engines
@BOTH
def test_digits(sim_engine, array):
    _, accuracy = run("digits", None, sim_engine, array, 8, pixels=32, channels=16)
    assert accuracy >= 0.75


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.both_engines
@BOTH
def test_mnist(sim_engine, array, data_dir):
    if "mnist" not in names():
        pytest.skip("no mnist network is shipped yet")
    verdict, accuracy = run("mnist", data_dir, sim_engine, array, 2, pixels=32, channels=16)
    assert accuracy >= 0.5
    useful = sum(row.useful for row in verdict.predicted)
    assert useful / verdict.recording.intervals[-1] >= 0.85
