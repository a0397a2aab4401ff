"""The cost formulas reproduce the published figures from layer shapes."""

import pytest

from model import cost
from model.cost import LayerShape
from model.nets import NETS
from sim.random_graph import GraphBuilder
from sim.stacks import STACKS
from sim.synthetic import random_network


# (network, tau, Mbit, G Bit-OPs) as published with the reference code and in its paper.
@pytest.mark.parametrize(
    ("name", "tau", "megabits", "giga_operations"),
    [
        ("resnet18_imagenet", 9, 10.99, 1.677),
        ("resnet18_imagenet", 6, 7.324, 0.883),
        ("resnet18_imagenet", 5, 6.103, 0.501),
        ("resnet18_imagenet", 4, 4.882, 0.297),
        ("resnet34", 9, 21.09, 3.526),
        ("resnet34", 5, 11.72, 0.965),
        ("vgg_small", 9, 4.571, 0.604),
        ("vgg_small", 5, 2.540, 0.114),
        ("resnet18", 9, 10.99, 0.547),
        ("resnet18", 5, 6.103, 0.164),
        ("resnet20", 9, 0.267, 0.040),
        ("resnet20", 5, 0.148, 0.034),
    ],
)
def test_published_figures(name, tau, megabits, giga_operations):
    shapes = NETS[name].shapes
    # Published figures are cut or rounded at the last digit, so one unit there is allowed.
    assert cost.stored_bits(shapes, tau) / 1e6 == pytest.approx(megabits, rel=1.3e-3, abs=1e-3)
    assert cost.bit_ops(shapes, tau) / 1e9 == pytest.approx(giga_operations, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "stack"),
    [("resnet18_imagenet", "resnet18"), ("resnet34", "resnet34"), ("resnet20", "resnet20"),
     ("vgg_small", "vgg-small"), ("cnv", "cnv")],
)  # fmt: skip
def test_networks_and_their_stacks_of_random_weights_have_one_size(name, stack):
    assert NETS[name].kernel_applications == STACKS[stack].kernel_applications


def test_shortcuts_and_first_layers_are_not_counted(seed):
    graph = GraphBuilder(seed, (1, 8, 8), stem={"c_out": 6})
    side = graph.pointwise(10, weight_bits=8, stride=2, stream=12, out_bits=0)
    graph.conv(10, tau=5, stride=2, source=-1, stream=12, residual=side)
    shapes = [LayerShape(6, 10, 4, 4)]
    network = graph.head(on="stream")
    assert cost.network_shapes(network) == shapes
    assert cost.network_cost(network) == (5 * 60, cost.bit_ops(shapes, 5))


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
