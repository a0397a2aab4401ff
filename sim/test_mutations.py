"""A deliberately broken engine is caught, and the comparison names what is broken.

Each test breaks one thing in the compiled program. What the comparison then has to report as the
first difference is known from the golden model of a network broken in the same way.
"""

from dataclasses import replace

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.maps.geometry import Geometry
from hw.starts import PLACES
from model import golden
from model.errors import CheckError
from sim.comparison import Comparison
from sim.recorder import ImageTensors
from sim.synthetic import random_images, random_network
from sim.verify import verify

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])
PIXELS, CHANNELS, TAU = 12, 4, 4


@pytest.fixture
def network(seed):
    return random_network(
        seed, image=(1, 6, 5), levels=6, channels=(7, 6), pools=("none", "max2"), tau=TAU
    )


@pytest.fixture
def images(seed, network):
    return random_images(seed, network, 4)


def program_of(network, array):
    return compile_network(network, array=array, pixels=PIXELS, channels=CHANNELS)


def first_difference(network, images, broken):
    """The first difference between two networks, by the golden model alone."""
    comparison = Comparison(network, images)
    trace = golden.trace(broken, images)
    for number in range(len(images)):
        activations = tuple(layer[number] for layer in trace.activations)
        comparison.add(
            number,
            [
                ImageTensors(
                    trace.planes[number], activations, trace.scores[number], trace.classes[number]
                )
            ],
        )
    return comparison


def break_layer(network, layer, **changes):
    """The network with some tensors of one convolution replaced."""
    layers = list(network.layers)
    layers[layer] = replace(layers[layer], **changes)
    return replace(network, layers=tuple(layers))


def assert_named(network, images, program, broken):
    """The mutated program shows exactly the differences that the broken network has."""
    expected = first_difference(network, images, broken)
    assert expected.first is not None, "the mutation changes nothing: choose another place"
    verdict = verify(program, images)
    assert verdict.comparison.first == expected.first
    assert verdict.comparison.tensors == expected.tensors
    assert str(expected.first) in verdict.problem
    print(verdict.problem)


def visible(network, images, mutants):
    """The first of (place, broken network) whose mutation the images show at all."""
    return next(m for m in mutants if first_difference(network, images, m[1]).first)


@BOTH
@pytest.mark.parametrize("layer", [0, 1])
def test_one_index_bit_flipped(network, images, array, layer, seed):
    conv = network.convs[layer]
    rng = np.random.default_rng(seed)

    def mutants():
        while True:
            out, channel = int(rng.integers(conv.c_out)), int(rng.integers(conv.c_in))
            # Not the sign bit of the shared array: its constant is part of the starts.
            bit = int(rng.integers(TAU - 1))
            indices = conv.indices.copy()
            indices[out, channel] ^= 1 << bit
            yield (out, channel, bit), break_layer(network, layer, indices=indices)

    (out, channel, bit), broken = visible(network, images, mutants())
    program = program_of(network, array)
    group, lane = divmod(channel, CHANNELS)
    words = list(program.images.indices)
    words[program.plans[layer].index_base + group * conv.c_out + out] ^= 1 << (TAU * lane + bit)
    # What the kernel makes of padding is no business of the index memory.
    starts = program_of(broken, array).images.thresholds
    images_ = replace(program.images, indices=tuple(words), thresholds=starts)
    mutated = replace(program, images=images_)
    assert_named(network, images, mutated, broken)
    first = first_difference(network, images, broken).first
    assert (first.layer, first.channel) == (conv.name, out)


@BOTH
@pytest.mark.parametrize("layer", [0, 1])
def test_threshold_off_by_one(network, images, array, layer):
    conv = network.convs[layer]

    def mutants():
        for out in range(conv.c_out):
            thresholds = conv.thresholds.copy()
            thresholds[out] += 2  # sums go in steps of two
            yield out, break_layer(network, layer, thresholds=thresholds)

    out, broken = visible(network, images, mutants())
    program = program_of(network, array)
    words = list(program.images.thresholds)
    place, width = program.plans[layer].threshold_base + out, program.sizes.sum_bits
    flip, word = words[place] & 1, words[place] >> 1
    starts = [(word >> width * n) - 1 & (1 << width) - 1 for n in range(PLACES)]
    words[place] = flip | sum(start << width * n + 1 for n, start in enumerate(starts))
    mutated = replace(program, images=replace(program.images, thresholds=tuple(words)))
    assert_named(network, images, mutated, broken)


@BOTH
@pytest.mark.parametrize("layer", [0, 1])
def test_wrong_polarity(network, images, array, layer):
    conv = network.convs[layer]
    out = conv.c_out - 1
    flips = conv.flips.copy()
    flips[out] ^= True
    program = program_of(network, array)
    words = list(program.images.thresholds)
    words[program.plans[layer].threshold_base + out] ^= 1
    mutated = replace(program, images=replace(program.images, thresholds=tuple(words)))
    assert_named(network, images, mutated, break_layer(network, layer, flips=flips))


def wrong_places(network, images, recording):
    """Where the first layer's activations differ, bool [N, c_out, height, width]."""
    expected = golden.trace(network, images).activations[0]
    return np.stack([tensors.activations[0] for tensors in recording.images]) != expected


@BOTH
def test_padding_one_row_too_early(network, images, array):
    """The bottom edge taken for the row above it: wrong there, and only there."""
    program = program_of(network, array)
    first, second = program.plans
    assert (first.last_tile, first.last_row) == (2, 1)
    verdict = verify(replace(program, plans=(replace(first, last_row=0), second)), images)
    first = verdict.comparison.first
    assert first.layer == "conv1" and first.row in (4, 5)
    wrong = wrong_places(network, images, verdict.recording)
    assert wrong[:, :, 4:].any() and not wrong[:, :, :4].any()


@BOTH
def test_padding_one_column_too_early(network, images, array, monkeypatch):
    """The right edge taken for the column before it: wrong there, and only there."""
    monkeypatch.setattr(
        Geometry, "last_column", property(lambda self: self.first_column << (self.width - 2))
    )
    verdict = verify(program_of(network, array), images)
    first = verdict.comparison.first
    # One tap does not show in every image's first layer; the second one is pooled.
    assert first.column in {"conv1": (3, 4), "conv2": (1,)}[first.layer]
    wrong = wrong_places(network, images, verdict.recording)
    assert wrong[..., 3:].any() and not wrong[..., :3].any()


@BOTH
def test_cycles_that_are_not_predicted(network, images, array):
    program = program_of(network, array)
    first, second = program.plans
    slower = replace(first, pass_cycles=first.pass_cycles + 1)
    verdict = verify(replace(program, plans=(slower, second)), images)
    assert verdict.comparison.mismatches == 0
    assert "image 0, layer conv1: cycles: predicted" in verdict.problem


@BOTH
def test_a_schedule_that_never_goes_on(network, images, array):
    program = program_of(network, array)
    first, second = program.plans
    stuck = replace(second, pass_cycles=1 << 20)
    with pytest.raises(CheckError, match=r"hangs: .* in layer conv2, phase STALL, after 0 of 4"):
        verify(replace(program, plans=(first, stuck)), images)
