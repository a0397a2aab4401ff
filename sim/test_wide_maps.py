"""Maps wider than the lanes at stride 2, and pooled into maps that are still wider: whole networks.

Those at stride 1 that pooling makes narrow enough are in `sim.test_engine`.
"""

import pytest

from hw.compiler import compile_network
from hw.cycles import predict
from hw.sequencer import Phase
from sim.synthetic import random_images, random_network
from sim.verify import verify

BOTH = pytest.mark.parametrize("array", ["direct", "shared"])


def check(network, images, engine="python", **shape):
    """Simulate, and fail with the first difference; returns the recording."""
    verdict = verify(compile_network(network, **shape), images, engine=engine)
    assert verdict.problem is None, f"{verdict.problem} ({shape})"
    return verdict.recording


LAYERS = {
    "stride": {"strides": (2, 1), "pools": ("none", "none")},
    "pooling": {"strides": (1, 1), "pools": ("max2", "none")},
}


@pytest.mark.parametrize("width", range(5, 21))
@pytest.mark.parametrize("pixels", [4, 8])
@pytest.mark.parametrize("kind", LAYERS)
def test_every_width(seed, kind, pixels, width):
    """A second layer on what the first has made: cut or whole, with a last tile of any width."""
    array = ("direct", "shared")[(width + pixels // 4) % 2]
    height = 2 + width % 3
    network = random_network(
        seed, image=(1, height, width), levels=3, channels=(4, 3), tau=3, **LAYERS[kind]
    )
    check(network, random_images(seed, network, 1), array=array, pixels=pixels, channels=2)


CASES = {
    "stride, then stride": {"image": (1, 9, 35), "strides": (2, 2)},
    "stride, then pooled": {"image": (1, 9, 35), "pools": ("none", "max2"), "strides": (2, 1)},
    "stride and pooled": {"image": (1, 9, 39), "pools": ("max2", "none"), "strides": (2, 1)},
    "pooled twice": {"image": (1, 9, 35), "pools": ("max2", "max2")},
    "pooled, then stride": {"image": (1, 9, 37), "pools": ("max2", "none"), "strides": (1, 2)},
    "same width with and without": {"image": (1, 3, 17), "strides": (1, 2)},
    "beside two reads a word": {
        "image": (1, 9, 10), "strides": (2, 2, 2), "channels": (3, 4, 5), "pools": ("none",) * 3,
    },
    "beside a whole map that is pooled": {
        "image": (1, 8, 18), "channels": (3, 7, 9), "pools": ("max2", "none", "max2"),
        "strides": (1, 2, 1),
    },
    "only a layer at stride 2": {"image": (1, 5, 9), "channels": (4,), "pools": ("none",),
                                 "strides": (2,)},
    "only a pooled layer": {"image": (1, 5, 18), "channels": (4,), "pools": ("max2",)},
    "one row": {"image": (1, 1, 19), "strides": (2, 1)},
    "two rows": {"image": (1, 2, 20), "strides": (2, 1)},
    "one output": {"image": (1, 1, 2), "strides": (2, 1), "pixels": 1},
    "one lane, stride": {"image": (1, 3, 7), "strides": (2, 2), "pixels": 1},
    "one lane, pooled": {"image": (1, 4, 7), "pools": ("max2", "max2"), "pixels": 1},
    "one lane, even": {"image": (1, 2, 4), "pools": ("max2", "none"), "pixels": 1},
    "two lanes": {"image": (1, 3, 9), "pools": ("max2", "none"), "strides": (1, 2), "pixels": 2},
    "a row of outputs takes three tiles": {"image": (1, 6, 14), "strides": (2, 1), "pixels": 7},
    "three tiles, odd": {"image": (1, 5, 13), "strides": (2, 1), "pixels": 7},
    "three tiles of three lanes": {"image": (2, 3, 6), "strides": (2, 1), "pixels": 3},
    "odd lanes, still cut": {"image": (1, 3, 29), "strides": (2, 2), "pixels": 7},
    "odd lanes, pooled": {"image": (1, 4, 31), "pools": ("max2", "max2"), "pixels": 7},
    "several groups": {"image": (1, 3, 20), "strides": (2, 1), "levels": 7},
    "few outputs: loading shows": {"image": (1, 4, 20), "channels": (1, 2), "levels": 7,
                                   "strides": (2, 1), "pools": ("none", "max2")},
    "single channels": {"levels": 1, "channels": (1, 1), "image": (1, 3, 18), "strides": (2, 1)},
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_wide_maps(seed, array, options):
    options = {"channels": (4, 5), "pools": ("none", "none"), "tau": 3, "pixels": 8} | options
    pixels = options.pop("pixels")
    network = random_network(seed, **options)
    check(network, random_images(seed, network, 3), array=array, pixels=pixels, channels=3)


@pytest.mark.both_engines
def test_on_either_engine(seed, sim_engine):
    """A chain of halved maps, from five tiles a row to several rows a tile."""
    network = random_network(
        seed, image=(1, 19, 39), levels=4, channels=(5, 6, 4, 7), tau=4,
        pools=("max2", "none", "none", "max2"), strides=(1, 2, 2, 1),
    )  # fmt: skip
    check(network, random_images(seed, network, 3), engine=sim_engine, pixels=8, channels=4)


@BOTH
@pytest.mark.parametrize("kind", LAYERS)
def test_no_bubbles(seed, array, kind):
    """Where outputs are many, an index word goes out in every cycle between first and last."""
    layer = {name: values[:1] for name, values in LAYERS[kind].items()}
    network = random_network(seed, image=(1, 4, 32), levels=4, channels=(24,), tau=3, **layer)
    program = compile_network(network, array=array, pixels=8, channels=4)
    tiles = {"stride": 2 * 2, "pooling": 4 * 4}[kind]
    assert predict(program)[0].stall == 0
    assert predict(program)[0].useful == tiles * 24
    recording = check(network, random_images(seed, network, 2), array=array, pixels=8, channels=4)
    assert recording.cycles[0][0][int(Phase.STALL.value)] == 0
    assert recording.cycles[0][0][int(Phase.USEFUL.value)] == tiles * 24


def test_a_column_that_pooling_leaves_out_costs_no_tile(seed):
    """A last tile that holds only a map's odd last column is not computed."""
    odd, even = (
        compile_network(
            random_network(seed, image=(1, 4, width), channels=(4,), pools=("max2",)), pixels=8
        ).plans[0]
        for width in (33, 32)
    )
    assert odd.tiles == even.tiles == 16


@pytest.mark.parametrize("fill", [1, 2, 4])
def test_a_step_takes_three_reads_a_channel(seed, fill):
    """max(entries, 3 F) cycles a step; 8 entries here."""
    network = random_network(
        seed, image=(1, 2, 20), levels=8, channels=(2,), pools=("none",), strides=(2,), tau=4
    )
    program = compile_network(network, pixels=8, channels=4, fill=fill)
    assert program.plans[0].pass_cycles == 4 // fill * max(8, 3 * fill)
    check(network, random_images(seed, network, 2), pixels=8, channels=4, fill=fill)
