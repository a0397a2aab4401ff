"""Engines whose head works behind the last layer: scores, classes, cycles, results held up."""

import sys

import pytest

from hw.compiler import compile_network
from sim.random_graph import GraphBuilder
from sim.stalls import Stalls
from sim.synthetic import random_images
from sim.verify import verify

# Set for each test, see the fixture.
ENGINE = "python"


@pytest.fixture(autouse=True)
def choose_engine(sim_engine, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ENGINE", sim_engine)


def run(network, images, stalls=None, **shape):
    """Simulate, and fail with the first difference; returns the program and the recording."""
    program = compile_network(network, **{"pixels": 8, "channels": 4} | shape)
    verdict = verify(program, images, stalls=stalls, engine=ENGINE)
    assert verdict.problem is None, f"{verdict.problem} ({shape})"
    return program, verdict.recording


def plain(seed, classes=10, *, image=(1, 6, 5), layers=2, flatten=True, **last):
    """A plain stack with a head on planes."""
    graph = GraphBuilder(seed, image)
    for _ in range(layers - 1):
        graph.conv(5, tau=3)
    graph.conv(6, tau=3, **last)
    return graph.head(classes, flatten=flatten)


CASES = {
    "flattened": {},
    "1x1 map": {"image": (1, 1, 1)},
    "one class": {"classes": 1},
    "pooled": {"pool": "max2", "image": (1, 7, 6)},
    "stride 2": {"stride": 2, "image": (1, 7, 6)},
    "cut rows": {"image": (1, 3, 11)},
    "a single layer": {"layers": 1},
    "more classes than features": {"image": (1, 1, 1), "classes": 20},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_flattened_maps(seed, options):
    network = plain(seed, **options)
    run(network, random_images(seed, network, 4))


@pytest.mark.both_engines
def test_a_thousand_classes(seed):
    network = plain(seed, classes=1000, image=(1, 4, 4), flatten=False)
    program, _ = run(network, random_images(seed, network, 3))
    head = program.serial_head
    assert head.cycles >= 1000 * 6 // head.parallel + 1000


def test_stalls_at_both_ends(seed):
    network = plain(seed)
    images = random_images(seed, network, 6)
    _, smooth = run(network, images)
    _, slow = run(network, images, stalls=Stalls(seed, pause=0.3, longest=60))
    assert slow.cycles == smooth.cycles
    _, blocked = run(network, images, stalls=Stalls(seed, block=5000))
    assert blocked.cycles == smooth.cycles


def test_index_port(seed):
    network = plain(seed)
    run(network, random_images(seed, network, 3), index_port=8)


def test_hides_behind_the_next_image(seed):
    """Images follow each other as fast as without the head's work, where there is time for it."""
    shape = {"layers": 4, "image": (1, 6, 6), "stride": 2}
    network = plain(seed, **shape)
    images = random_images(seed, network, 4)
    program, recording = run(network, images)
    counted, other = run(plain(seed, flatten=False, **shape), images)
    assert program.head_cycles > counted.head_cycles
    assert recording.intervals[-1] == other.intervals[-1]


STREAMS = {
    "summed": {},
    "1x1 map": {"image": (1, 1, 1)},
    "cut rows": {"image": (1, 3, 11)},
    "flattened": {"flatten": True},
    "flattened, cut rows": {"flatten": True, "image": (1, 3, 11)},
    "residual, stride 2": {"image": (1, 7, 6), "stride": 2},
    "no planes": {"out_bits": 0},
    "many classes": {"classes": 40},
}


@pytest.mark.parametrize("options", STREAMS.values(), ids=STREAMS)
def test_streams(seed, options):
    options = {"image": (1, 6, 5), "classes": 10, "flatten": False, "stride": 1} | options
    graph = GraphBuilder(seed, options.pop("image"))
    classes, flatten = options.pop("classes"), options.pop("flatten")
    first = graph.conv(6, tau=3, stream=9, stride=options.pop("stride"))
    graph.conv(6, tau=3, stream=9, residual=first, **options)
    network = graph.head(classes, on="stream", flatten=flatten)
    run(network, random_images(seed, network, 4))
