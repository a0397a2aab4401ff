"""Compiler: what it refuses and in which words, and what its memory images hold."""

from dataclasses import replace

import numpy as np
import pytest

from hw.compiler import compile_network, hiding_fill
from hw.params import ArrayParameters
from model import bits
from model.errors import UserError
from sim.synthetic import random_images, random_network
from sim.verify import verify

NETWORK = {"image": (1, 6, 6), "levels": 3, "channels": (5, 7), "pools": ("max2", "none")}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pixels": 0}, ("pixels", "1 to", "not 0")),
        ({"channels": 0}, ("channels", "1 to", "not 0")),
        ({"channels": 8, "fill": 3}, ("fill", "divide", "8 channels")),
        ({"array": "systolic"}, ("direct, shared", "systolic")),
        ({"array": "direct", "fill": 2}, ("fill", "shared")),
    ],
)
def test_refuses_with_the_way_out(options, words, seed):
    with pytest.raises(UserError) as refusal:
        compile_network(random_network(seed, **NETWORK), **options)
    message = str(refusal.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_plain_network_needs_the_direct_array(seed):
    network = random_network(seed, tau=9, antipodal=False, **NETWORK)
    with pytest.raises(UserError, match="conv1.*--array direct"):
        compile_network(network, array="shared")
    assert compile_network(network, array="direct").parameters.tau == 9


@pytest.mark.parametrize("entry", ["index_words", "activation_words", "sum_bits", "partial_sums"])
def test_a_network_too_large_for_a_given_engine_is_refused(entry, seed):
    network = random_network(seed, **NETWORK)
    needed = compile_network(network, pixels=8, channels=2).sizes
    small = replace(needed, **{entry: getattr(needed, entry) - 1})
    with pytest.raises(UserError, match=f"{entry} {getattr(needed, entry)}"):
        compile_network(network, pixels=8, channels=2, sizes=small)


def test_sizes_must_be_whole_numbers(seed):
    needed = compile_network(random_network(seed, **NETWORK), pixels=8, channels=2).sizes
    with pytest.raises(ValueError, match="index_words must be a whole number"):
        replace(needed, index_words=-1)


def test_an_engine_larger_than_needed_computes_the_same(seed):
    network = random_network(seed, **NETWORK)
    needed = compile_network(network, pixels=8, channels=2).sizes
    roomy = replace(needed, **{name: value + 3 for name, value in vars(needed).items()})
    program = compile_network(network, pixels=8, channels=2, sizes=roomy)
    verdict = verify(program, random_images(seed, network, 3))
    assert verdict.problem is None


@pytest.mark.parametrize("taus", [(3, 5), (6, 4)])
@pytest.mark.parametrize("array", ["direct", "shared"])
def test_layers_may_differ_in_tau(taus, array, seed):
    small = [random_network(seed, tau=tau, **NETWORK) for tau in taus]
    network = replace(
        small[0], layers=(small[0].layers[0], small[1].layers[1], small[1].layers[2])
    )
    program = compile_network(network, array=array, pixels=8, channels=4)
    assert program.parameters.tau == max(taus)
    assert verify(program, random_images(seed, network, 2)).problem is None


def test_index_words_hold_every_index_once(seed):
    network = random_network(seed, antipodal=False, tau=4, **NETWORK)
    program = compile_network(network, pixels=8, channels=2)
    words = iter(program.images.indices)
    for conv in network.convs:
        found = np.zeros_like(conv.indices)
        for first in range(0, conv.c_in, 2):
            for channel in range(conv.c_out):
                word = next(words)
                for lane in range(min(2, conv.c_in - first)):
                    found[channel, first + lane] = word >> 4 * lane & 15
        assert np.array_equal(found, conv.indices)
    assert next(words, None) is None


def test_fill_hides_behind_the_output_channels(seed):
    network = random_network(seed, channels=(64, 64), pools=("none", "none"))
    array = ArrayParameters("direct", 16, 16, 5, antipodal=True)  # of 16 entries
    fill = hiding_fill(network, array)
    assert 16 // fill * 16 <= 64 < 16 // (fill // 2) * 16
    few = random_network(seed, channels=(4, 4), pools=("none", "none"))
    assert hiding_fill(few, array) == 16


def test_plain_kernels_are_their_own_indices(seed):
    network = random_network(seed, tau=9, antipodal=False, **NETWORK)
    program = compile_network(network, array="direct", pixels=8, channels=1)
    kernels = np.concatenate([conv.kernels.T.reshape(-1) for conv in network.convs])
    assert list(program.images.indices) == kernels.tolist()
    assert max(program.images.indices) < bits.KERNELS
