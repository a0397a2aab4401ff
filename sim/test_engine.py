"""Whole networks through the engine: every tensor, every layer's cycles, in every corner.

More random networks than the default: pytest sim/test_engine.py --networks 500 --seed 7
"""

import random
import sys
from dataclasses import replace

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.cycles import predict
from hw.sequencer import Phase
from model import golden
from model.errors import UserError
from sim.stalls import Stalls
from sim.synthetic import random_case, random_images, random_network
from sim.verify import verify

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])
# Set for each test, see the fixture.
ENGINE = "python"


@pytest.fixture(autouse=True)
def choose_engine(sim_engine, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ENGINE", sim_engine)


def run(network, images, stalls=None, **shape):
    """Simulate, and fail with the first difference; returns the recording."""
    program = compile_network(network, **shape)
    verdict = verify(program, images, stalls=stalls, engine=ENGINE)
    assert verdict.problem is None, f"{verdict.problem} ({shape})"
    return verdict.recording


def with_layers(network, change):
    """The network with each convolution replaced by ``change(conv)``."""
    convs = tuple(change(conv) for conv in network.convs)
    return replace(network, layers=(*convs, network.head))


@pytest.mark.both_engines
@BOTH
@pytest.mark.parametrize("tau", [3, 4, 5, 6])
@pytest.mark.parametrize("antipodal", [True, False], ids=["antipodal", "general"])
def test_codebooks(seed, array, tau, antipodal):
    network = random_network(seed, tau=tau, antipodal=antipodal, image=(1, 8, 6))
    run(network, random_images(seed, network, 3), array=array, pixels=16, channels=4)


def test_plain_kernels(seed):
    network = random_network(seed, tau=9, image=(1, 8, 6))
    run(network, random_images(seed, network, 3), array="direct", pixels=16, channels=4)
    with pytest.raises(UserError, match="--array direct"):
        compile_network(network, array="shared")


@BOTH
def test_layers_with_different_codebooks(seed, array):
    taus, books = (3, 6, 4), (True, False, True)
    network = random_network(
        seed, channels=(5, 6, 7), pools=("none",) * 3, tau=taus, antipodal=books, image=(1, 5, 4)
    )
    images = random_images(seed, network, 2)
    run(network, images, array=array, pixels=12, channels=3)
    network = random_network(
        seed, channels=(5, 6, 7), pools=("none",) * 3, tau=taus, image=(1, 5, 4)
    )
    run(network, images, array=array, pixels=12, channels=3)


SHAPES = [
    pytest.param(6, 1, 1, id="one row a tile, one channel"),
    pytest.param(7, 5, 5, id="nothing divides"),
    pytest.param(13, 4, 2, id="two rows a tile, one idle lane"),
    pytest.param(25, 6, 3, id="four rows a tile"),
    pytest.param(64, 8, 1, id="more lanes than pixels"),
    pytest.param(8, 32, 4, id="more channels than the network has"),
]


@pytest.mark.both_engines
@BOTH
@pytest.mark.parametrize(("pixels", "channels", "fill"), SHAPES)
def test_shapes(seed, array, pixels, channels, fill):
    network = random_network(
        seed, image=(1, 9, 6), levels=5, channels=(7, 11), pools=("max2", "none"), tau=3
    )
    images = random_images(seed, network, 2)
    fill = fill if array == "shared" else None
    run(network, images, array=array, pixels=pixels, channels=channels, fill=fill)


UGLY = {
    "1x1 map": {"image": (1, 1, 1)},
    "1x1 map after pooling": {"image": (1, 2, 3), "pools": ("max2", "none")},
    "one row": {"image": (2, 1, 7)},
    "one column": {"image": (1, 7, 1)},
    "two rows": {"image": (1, 2, 6), "pools": ("none", "max2")},
    "two columns": {"image": (1, 6, 2), "pools": ("none", "max2")},
    "odd maps pooled": {"image": (1, 7, 9), "pools": ("max2", "max2")},
    "single channels": {"levels": 1, "channels": (1, 1), "image": (1, 4, 5)},
    "single class": {"classes": 1, "image": (1, 3, 3)},
    "fewer outputs than the pipeline is long": {"channels": (2, 1), "image": (1, 5, 5)},
    "a single layer": {"channels": (5,), "pools": ("max2",), "image": (1, 6, 6)},
    "five layers": {"channels": (3,) * 5, "pools": ("none",) * 5, "image": (1, 4, 4)},
    "three colours": {"image": (3, 5, 4), "levels": 2},
    "always and never": {"extreme": 1.0, "image": (1, 5, 5)},
}


@BOTH
@pytest.mark.parametrize("options", UGLY.values(), ids=UGLY)
def test_ugly_sizes(seed, array, options):
    options = {"channels": (4, 5), "pools": ("none", "none"), "tau": 3} | options
    network = random_network(seed, **options)
    images = random_images(seed, network, 3)
    run(network, images, array=array, pixels=9, channels=3)


STRIDES = {
    "two reads a word": {"image": (1, 12, 8)},
    "two reads, odd sides": {"image": (1, 9, 7)},
    "two reads, several groups and words": {"image": (1, 11, 4), "levels": 7},
    "one read a word": {"image": (1, 7, 3), "pixels": 6},
    "the second read would pass the end": {"image": (1, 4, 4), "pixels": 16},
    "few outputs: loading shows": {"image": (1, 12, 8), "channels": (1, 2), "levels": 7},
    "1x1 map": {"image": (1, 1, 1)},
    "2x2 map": {"image": (1, 2, 2)},
    "one row": {"image": (2, 1, 7)},
    "one column": {"image": (1, 7, 1)},
    "two rows": {"image": (1, 2, 6)},
    "two columns": {"image": (1, 6, 2)},
    "pooled": {"image": (1, 11, 6), "pools": ("max2", "none")},
    "pooled, one read": {"image": (1, 11, 3), "pools": ("max2", "none"), "pixels": 6},
    "behind pooling": {"image": (1, 9, 9), "pools": ("max2", "none"), "strides": (1, 2)},
    "pooled behind pooling": {"image": (1, 8, 8), "pools": ("max2", "max2"), "strides": (1, 2)},
    "twice in turn": {"image": (1, 8, 8), "strides": (2, 2)},
    "same width with and without": {"image": (1, 8, 5), "strides": (1, 2)},
    "single channels": {"levels": 1, "channels": (1, 1), "image": (1, 6, 5)},
}


@BOTH
@pytest.mark.parametrize("options", STRIDES.values(), ids=STRIDES)
def test_stride_two(seed, array, options):
    options = {
        "channels": (4, 5), "pools": ("none", "none"), "strides": (2, 1), "tau": 3, "pixels": 9
    } | options  # fmt: skip
    pixels = options.pop("pixels")
    network = random_network(seed, **options)
    images = random_images(seed, network, 3)
    run(network, images, array=array, pixels=pixels, channels=3)


@BOTH
def test_stride_two_fills_the_lanes(seed, array):
    """Where outputs are many, a layer's cycles are those of as many outputs at stride 1."""
    shape = {"array": array, "pixels": 8, "channels": 4}
    options = {"levels": 4, "channels": (24,), "pools": ("none",), "tau": 3}
    strided = random_network(seed, image=(1, 16, 8), strides=(2,), **options)
    recording = run(strided, random_images(seed, strided, 2), **shape)
    plain = compile_network(random_network(seed, image=(1, 8, 4), **options), **shape)
    (conv, _), _ = recording.cycles
    more = sum(conv) - predict(plain)[0].cycles
    # The first channels are read twice before the first index word; nothing else is slower.
    assert 0 <= more <= shape["channels"]


CUT = {
    "two tiles a row": {"image": (1, 5, 9)},
    "tiles of equal width": {"image": (1, 4, 16)},
    "several groups": {"image": (1, 4, 11), "levels": 7},
    "odd lanes": {"image": (2, 7, 17), "pixels": 7},
    "three lanes": {"image": (1, 4, 7), "pixels": 3},
    "two lanes": {"image": (1, 3, 5), "pixels": 2},
    "one lane": {"image": (1, 3, 4), "pixels": 1},
    "one row": {"image": (1, 1, 9)},
    "two rows": {"image": (1, 2, 9)},
    "many rows": {"image": (1, 14, 9)},
    "pooled into whole rows": {"image": (1, 9, 17), "pools": ("max2", "none")},
    "pooled into two rows a word": {"image": (1, 8, 9), "pools": ("max2", "none")},
    "pooled, odd lanes": {"image": (1, 7, 13), "pools": ("max2", "none"), "pixels": 7},
    "pooled later": {"image": (1, 7, 13), "pools": ("none", "max2")},
    "pooled, then a stride": {"image": (1, 9, 16), "pools": ("max2", "none"), "strides": (1, 2)},
    "few outputs: loading shows": {"image": (1, 4, 9), "channels": (1, 2), "levels": 7},
    "single channels": {"levels": 1, "channels": (1, 1), "image": (1, 3, 10)},
}


@BOTH
@pytest.mark.parametrize("options", CUT.values(), ids=CUT)
def test_maps_wider_than_the_lanes(seed, array, options):
    options = {"channels": (4, 5), "pools": ("none", "none"), "tau": 3, "pixels": 8} | options
    pixels = options.pop("pixels")
    network = random_network(seed, **options)
    images = random_images(seed, network, 3)
    run(network, images, array=array, pixels=pixels, channels=3)


@BOTH
def test_no_bubbles_between_the_tiles_of_a_row(seed, array):
    """Where outputs are many, an index word goes out in every cycle between first and last."""
    network = random_network(
        seed, image=(1, 3, 16), levels=4, channels=(24,), pools=("none",), tau=3
    )
    recording = run(network, random_images(seed, network, 2), array=array, pixels=8, channels=4)
    program = compile_network(network, array=array, pixels=8, channels=4)
    assert predict(program)[0].stall == 0
    assert recording.cycles[0][0][int(Phase.STALL.value)] == 0
    assert recording.cycles[0][0][int(Phase.USEFUL.value)] == 3 * 2 * 24


@BOTH
def test_same_inputs_everywhere(seed, array):
    """Flat images, flat codebooks: every window and every kernel the same, sums at their ends."""
    network = random_network(seed, image=(1, 5, 5), channels=(3, 4), pools=("none", "none"))
    for entry in (0, 16):  # one codeword and its negation
        same = with_layers(
            network, lambda conv, entry=entry: replace(conv, indices=conv.indices * 0 + entry)
        )
        flat = np.repeat(np.array([0, 255, 7], np.uint8), 25).reshape(3, 1, 5, 5)
        run(same, flat, array=array, pixels=10, channels=4)


@BOTH
@pytest.mark.parametrize("flip", [False, True])
def test_thresholds_met_exactly(seed, array, flip):
    """Each channel's threshold is a sum that occurs, or one more: >= must not become >."""
    network = random_network(seed, image=(1, 6, 6), channels=(8,), pools=("none",))
    images = random_images(seed, network, 3)
    planes = golden.encode(network, images)
    sums = golden.accumulate(network.convs[0], planes)[2]
    rng = np.random.default_rng(seed)
    occurring = sums.reshape(8, -1)[np.arange(8), rng.integers(0, 36, 8)]
    thresholds = (occurring + np.arange(8) % 2).astype(np.int32)
    network = with_layers(
        network, lambda conv: replace(conv, thresholds=thresholds, flips=np.full(8, flip))
    )
    run(network, images, array=array, pixels=12, channels=2)


@BOTH
def test_equal_scores_answer_the_lowest_class(seed, array):
    network = random_network(seed, image=(1, 3, 3), channels=(3,), pools=("none",), classes=5)
    head = network.head
    tied = replace(head, weight=head.weight * 0, bias=np.array([-7, 3, 3, 1, 3], np.int32))
    network = replace(network, layers=(*network.convs, tied))
    recording = run(network, random_images(seed, network, 2), array=array, pixels=9, channels=3)
    assert [tensors.label for tensors in recording.images] == [1, 1]


@BOTH
def test_largest_scores(seed, array):
    """Weights and counts at their ends: no score may overflow."""
    network = random_network(seed, image=(1, 6, 6), channels=(6,), pools=("none",), classes=4)
    # Thresholds nobody misses: every activation +1, or (flipped) -1.
    network = with_layers(
        network,
        lambda conv: replace(conv, thresholds=conv.thresholds * 0 - 9 * conv.c_in,
                             flips=np.arange(6) % 2 == 1),
    )  # fmt: skip
    signs = np.where(np.arange(6) % 2 == 1, -1, 1)
    weight = np.stack([127 * signs, -127 * signs, -128 + 0 * signs, -128 * signs])
    weight = np.clip(weight, -128, 127).astype(np.int8)
    bias = np.array([2000, -2000, 0, -1], np.int32)
    head = replace(network.head, weight=weight, bias=bias)
    network = replace(network, layers=(*network.convs, head))
    run(network, random_images(seed, network, 2), array=array, pixels=12, channels=3)


@pytest.mark.both_engines
@BOTH
@pytest.mark.parametrize("pause", [0.05, 0.4])
def test_stalls_at_both_ends(seed, array, pause):
    network = random_network(seed, image=(1, 6, 5), channels=(4, 3), tau=4)
    images = random_images(seed, network, 6)
    shape = {"array": array, "pixels": 10, "channels": 3}
    plain = run(network, images, **shape)
    slow = run(network, images, stalls=Stalls(seed, pause=pause, longest=60), **shape)
    assert slow.cycles == plain.cycles
    assert slow.total > plain.total


@BOTH
def test_results_blocked_for_long(seed, array):
    """Nobody takes the results while many images wait: none is lost, none is torn."""
    network = random_network(seed, image=(1, 4, 4), channels=(3, 3), pools=("none",) * 2, tau=3)
    images = random_images(seed, network, 6)
    run(network, images, array=array, pixels=8, channels=3, stalls=Stalls(seed, block=5000))


@BOTH
def test_images_follow_each_other_evenly(seed, array):
    """Loading overlaps computing: in steady state a result every so many cycles, the same
    number each time, and no more than the slower one of computing and loading takes."""
    network = random_network(seed, image=(1, 8, 8), channels=(12, 12))
    images = random_images(seed, network, 6)
    program = compile_network(network, array=array, pixels=16, channels=3)
    verdict = verify(program, images, engine=ENGINE)
    assert verdict.problem is None
    steady = set(verdict.recording.intervals[1:])
    assert len(steady) == 1
    computing = sum(row.cycles for row in verdict.predicted)
    assert steady.pop() <= max(computing, program.load_cycles) + 8


def pytest_generate_tests(metafunc):
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(metafunc.config.getoption("--networks")))


@pytest.mark.both_engines
def test_random_networks(seed, number):
    case = random_case(1000 * seed + number)
    print(case)
    rng = random.Random(1000 * seed + number)
    stalls = Stalls(seed, pause=rng.choice([0.01, 0.2])) if rng.random() < 0.3 else None
    run(case.network, case.images, stalls=stalls, **case.shape)
