"""The shipped networks on real images, through the whole accelerator."""

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.cycles import total_cycles
from model import datasets, golden
from model.shipped import load_model, names
from sim.verify import verify

# Share of an image's cycles in which the array does useful work, at least. Fashion-MNIST's network
# begins with 32 channels, which the shared array's tables take longer to fill than to look up.
USEFUL = {"mnist": 0.85, "fashion_mnist": 0.8}

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


@BOTH
@pytest.mark.parametrize("name", names())
def test_every_one_compiles_for_the_accelerator(name, array):
    """By name, as hw.plan, hw.build and sim.run take it; at most 10 ms an image at 100 MHz."""
    network = load_model(name)
    program = compile_network(network, array=array, pixels=32, channels=16)
    assert 0 < total_cycles(program) < 1_000_000


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.both_engines
@BOTH
@pytest.mark.parametrize("name", [name for name in names() if name.endswith("mnist")])
def test_mnist_and_fashion_mnist(sim_engine, array, data_dir, name):
    verdict, accuracy = run(name, data_dir, sim_engine, array, 2, pixels=32, channels=16)
    assert accuracy >= 0.5
    useful = sum(row.useful for row in verdict.predicted)
    assert useful / verdict.recording.intervals[-1] >= USEFUL[name]
