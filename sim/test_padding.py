"""Padding by ones: taps outside the map are +1 or -1 in every plane."""

import pytest

from hw.compiler import compile_network
from sim.random_graph import GraphBuilder
from sim.synthetic import random_images
from sim.verify import verify

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])

MAPS = {
    "many tiles": {"image": (1, 7, 4)},
    "one tile": {"image": (1, 2, 3)},
    "1x1 map": {"image": (1, 1, 1)},
    "one row": {"image": (1, 1, 6)},
    "one column": {"image": (1, 6, 1)},
    "wider than the lanes": {"image": (1, 3, 13)},
    "stride 2": {"image": (1, 7, 5), "stride": 2},
    "stride 2, even sides": {"image": (1, 8, 4), "stride": 2},
    "stride 2, wider than the lanes": {"image": (1, 4, 11), "stride": 2},
}


@BOTH
@pytest.mark.parametrize("options", MAPS.values(), ids=MAPS)
def test_paddings(seed, array, options):
    """All three, one after the other."""
    stride = options.get("stride", 1)
    graph = GraphBuilder(seed, image=options["image"], levels=4)
    graph.conv(5, tau=4, padding="plus", stride=stride)
    graph.conv(4, tau=4, padding="minus")
    graph.conv(5, tau=4, padding="zero")
    graph.conv(4, tau=4, padding="plus")
    network = graph.head()
    program = compile_network(network, array=array, pixels=8, channels=3)
    verdict = verify(program, random_images(seed, network, 3))
    assert verdict.problem is None
