"""The comparison finds, counts and names every value that differs from the golden model."""

from dataclasses import replace

import numpy as np
import pytest

from model import golden
from sim.comparison import Comparison
from sim.recorder import ImageTensors
from sim.synthetic import random_images, random_network


@pytest.fixture
def network(seed):
    return random_network(seed, image=(2, 5, 4), channels=(3, 4), pools=("max2", "none"))


@pytest.fixture
def images(seed, network):
    return random_images(seed, network, 4)


def tensors(network, images, number):
    """What a faultless engine records for one image; free to be changed."""
    trace = golden.trace(network, images)
    return ImageTensors(
        trace.planes[number].copy(),
        tuple(layer[number].copy() for layer in trace.activations),
        trace.scores[number].copy(),
        int(trace.classes[number]),
    )


def test_equal_tensors_have_no_difference(network, images):
    comparison = Comparison(network, images)
    assert [comparison.add(n, [tensors(network, images, n)]) for n in range(4)] == [0] * 4
    assert comparison.first is None and comparison.mismatches == 0
    # Planes 6 x 5 x 4; conv1 pools to 3 x 2 x 2; conv2 4 x 2 x 2; 10 scores; a class.
    assert comparison.values == 4 * (120 + 12 + 16 + 10 + 1)
    assert comparison.differing == [0] * 4


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_any_single_bit_is_found_and_named(network, images, seed, layer):
    rng = np.random.default_rng(seed + layer)
    name = ("input", "conv1", "conv2")[layer]
    for _ in range(20):
        image = int(rng.integers(4))
        found = tensors(network, images, image)
        bits = (found.planes, *found.activations)[layer]
        channel, row, column = (int(rng.integers(size)) for size in bits.shape)
        bits[channel, row, column] ^= True
        value = 1 if bits[channel, row, column] else -1
        comparison = Comparison(network, images)
        assert comparison.add(image, [found]) == comparison.mismatches == 1
        assert str(comparison.first) == (
            f"image {image}, layer {name}: channel {channel}, row {row}, column {column}: "
            f"expected {-value:+d}, found {value:+d}"
        )


def test_wrong_score_and_wrong_class_are_named(network, images):
    found = tensors(network, images, 2)
    found.scores[7] -= 5
    comparison = Comparison(network, images, number=40)
    assert comparison.add(2, [found]) == 1
    assert str(comparison.first) == (
        f"image 42, layer head: score of class 7: "
        f"expected {found.scores[7] + 5}, found {found.scores[7]}"
    )
    right = tensors(network, images, 3)
    comparison = Comparison(network, images)
    assert comparison.add(3, [replace(right, label=right.label + 1)]) == 1
    assert str(comparison.first) == (
        f"image 3, layer head: class: expected {right.label}, found {right.label + 1}"
    )


def test_first_is_the_earliest_in_the_computation(network, images):
    found = tensors(network, images, 0)
    found.scores[:] += 1
    found.activations[1][0] ^= True
    found.activations[0][2, 1, 0] ^= True
    later = tensors(network, images, 1)
    later.planes[0, 0, 0] ^= True
    comparison = Comparison(network, images)
    # Together or one after the other, it is the same.
    assert comparison.add(0, [found, later]) == 10 + 4 + 1 + 1
    assert comparison.differing == [15, 1]
    apart = Comparison(network, images)
    assert [apart.add(0, [found]), apart.add(1, [later])] == [15, 1]
    assert apart.tensors == comparison.tensors and apart.first == comparison.first
    assert comparison.first.layer == "conv1"
    assert (comparison.first.channel, comparison.first.row, comparison.first.column) == (2, 1, 0)
    assert [(t.layer, t.tensor, t.differing) for t in comparison.tensors] == [
        ("input", "planes", 1),
        ("conv1", "activations", 1),
        ("conv2", "activations", 4),
        ("head", "scores", 10),
        ("head", "class", 0),
    ]
