"""The cost formulas reproduce the published figures from layer shapes."""

import pytest

from model import cost
from model.cost import LayerShape
from sim.synthetic import random_network


def basic_stages(blocks, channels, sides, c_in):
    """3x3 layers of residual networks of two-layer blocks; a stage's first layer strides."""
    shapes = []
    for count, c_out, side in zip(blocks, channels, sides, strict=True):
        for _ in range(count):
            shapes += [LayerShape(c_in, c_out, side, side), LayerShape(c_out, c_out, side, side)]
            c_in = c_out
    return shapes


WIDE = (64, 128, 256, 512)
RESNET18 = basic_stages((2, 2, 2, 2), WIDE, (56, 28, 14, 7), 64)
RESNET34 = basic_stages((3, 4, 6, 3), WIDE, (56, 28, 14, 7), 64)
CIFAR_RESNET18 = basic_stages((2, 2, 2, 2), WIDE, (32, 16, 8, 4), 64)
CIFAR_RESNET20 = basic_stages((3, 3, 3), (16, 32, 64), (32, 16, 8), 16)
VGG_SMALL = [
    LayerShape(128, 128, 32, 32),
    LayerShape(128, 256, 16, 16),
    LayerShape(256, 256, 16, 16),
    LayerShape(256, 512, 8, 8),
    LayerShape(512, 512, 8, 8),
]


# (shapes, tau, Mbit, G Bit-OPs) as published with the reference code and in its paper.
@pytest.mark.parametrize(
    ("shapes", "tau", "megabits", "giga_operations"),
    [
        (RESNET18, 9, 10.99, 1.677),
        (RESNET18, 6, 7.324, 0.883),
        (RESNET18, 5, 6.103, 0.501),
        (RESNET18, 4, 4.882, 0.297),
        (RESNET34, 9, 21.09, 3.526),
        (RESNET34, 5, 11.72, 0.965),
        (VGG_SMALL, 9, 4.571, 0.604),
        (VGG_SMALL, 5, 2.540, 0.114),
        (CIFAR_RESNET18, 9, 10.99, 0.547),
        (CIFAR_RESNET18, 5, 6.103, 0.164),
        (CIFAR_RESNET20, 9, 0.267, 0.040),
        (CIFAR_RESNET20, 5, 0.148, 0.034),
    ],
)
def test_published_figures(shapes, tau, megabits, giga_operations):
    # Published figures are cut or rounded at the last digit, so one unit there is allowed.
    assert cost.stored_bits(shapes, tau) / 1e6 == pytest.approx(megabits, rel=1.3e-3, abs=1e-3)
    assert cost.bit_ops(shapes, tau) / 1e9 == pytest.approx(giga_operations, abs=1e-3)


def test_codebooks_are_counted_on_request():
    shape = [LayerShape(4, 6, 5, 5)]
    assert cost.stored_bits(shape, 5, codebooks=True) == 5 * 24 + 9 * 32
    assert cost.stored_bits(shape, 9, codebooks=True) == 9 * 24


def test_a_narrow_layer_never_costs_more_than_binary():
    shape = [LayerShape(64, 8, 10, 10)]
    assert cost.bit_ops(shape, 6) == cost.bit_ops(shape, 9) == 9 * 64 * 8 * 100


def test_exported_network_with_mixed_tau(seed):
    network = random_network(seed, channels=(40, 48), tau=[9, 3])
    first, second = network.convs
    stored, operations = cost.network_cost(network)
    assert stored == first.stored_bits + second.stored_bits == network.stored_bits
    assert operations == first.macs + (9 * 40 * 8 + 40 * 48 // 2) * 64
