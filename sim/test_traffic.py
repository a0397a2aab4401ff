"""Memory traffic and bounds in closed form, against a simulation and against plain counting."""

import numpy as np
import pytest

from hw.bounds import bound, kernel_applications, wanted_lane_slots
from hw.compiler import compile_network
from hw.cycles import predict
from hw.engine import Engine
from hw.issuer import Issuer
from hw.loader import Loader
from hw.maps.layout import rows_per_tile
from hw.traffic import input_bits_written, traffic
from hw.window_side import BankedMemory
from sim.harness import Harness
from sim.outcome import BatchResult, Outcome
from sim.report.lanes import lanes_over_time
from sim.report.series import lane_shares
from sim.synthetic import random_case, random_images, random_network
from sim.verify import verify

ENGINES = [
    {"array": "shared", "pixels": 20, "channels": 4, "fill": 2},
    {"array": "direct", "pixels": 9, "channels": 3},
]


def network_for(seed):
    """Two groups, a pooled map of odd height, several tiles, stride 2 with two reads a word."""
    return random_network(
        seed, image=(1, 13, 9), levels=2, channels=(5, 6, 3), pools=("none", "max2", "none"),
        strides=(2, 1, 1), tau=3,
    )  # fmt: skip


class Counter:
    """Keeps every component of a class that an engine is built from."""

    def __init__(self, monkeypatch, module, kind):
        self.made = []

        def make(*arguments, **named):
            self.made.append(kind(*arguments, **named))
            return self.made[-1]

        make.latency = getattr(kind, "latency", None)
        monkeypatch.setattr(f"{module}.{kind.__name__}", make)


@pytest.mark.parametrize("shape", ENGINES, ids=lambda shape: shape["array"])
def test_ports_move_what_the_closed_form_says(seed, monkeypatch, shape):
    """Index words called by the issuer, words read by the loader, writes at the memory's port:
    counted at these components in every cycle, while two images run."""
    issuers = Counter(monkeypatch, "hw.engine", Issuer)
    loaders = Counter(monkeypatch, "hw.window_side", Loader)
    memories = Counter(monkeypatch, "hw.window_side", BankedMemory)
    network = network_for(seed)
    program = compile_network(network, **shape)
    pixels, channels = shape["pixels"], shape["channels"]
    harness = Harness(Engine(program), network, pixels, random_images(seed, network, 2),
                      patience=5000)  # fmt: skip
    counts = dict.fromkeys(("index", "read", "written"), 0)

    async def count(ctx):
        (issuer,), (loader,), (memory,) = issuers.made, loaders.made, memories.made
        ports = (issuer.tag.valid, loader.read, memory.write_valid)
        async for _, _, *values in ctx.tick().sample(*ports):
            for name, value in zip(counts, values, strict=True):
                counts[name] += value

    harness._simulator.add_testbench(count, background=True)
    harness.run()
    moved = traffic(program)
    assert counts["index"] * channels * program.parameters.tau == 2 * sum(
        layer.index_bits_read for layer in moved
    )
    assert counts["read"] * 3 * pixels == 2 * sum(layer.activation_bits_read for layer in moved)
    written = sum(layer.activation_bits_written for layer in moved) + input_bits_written(program)
    assert counts["written"] * pixels == 2 * written


def test_useful_cycles_are_index_words(seed):
    case = random_case(seed)
    program = compile_network(case.network, **case.shape)
    word = program.parameters.channels * program.parameters.tau
    for row, layer in zip(predict(program), traffic(program), strict=True):
        assert layer.index_bits_read == row.useful * word
    assert traffic(program)[-2].activation_bits_written == 0


@pytest.mark.parametrize("number", range(20))
def test_kernel_applications_are_the_pixels_computed(seed, number):
    """Counted pixel by pixel; more than the array's lane slots are never at work."""
    case = random_case(100 * seed + number)
    program = compile_network(case.network, **case.shape)
    for plan, conv, row in zip(
        program.plans, case.network.convs, predict(program), strict=False
    ):
        _, height, width = conv.sums_shape
        rows = plan.tiles // plan.columns * rows_per_tile(width, program.parameters.pixels)
        columns = plan.columns * program.geometries[plan.geometry].outputs.columns
        pixels = min(rows, height) * min(columns, width)
        assert kernel_applications(program, plan) == conv.c_in * conv.c_out * pixels
        wanted = list(wanted_lane_slots(program, plan))
        assert len(wanted) == plan.passes
        assert max(wanted) <= program.parameters.kernel_applications
        found = bound(program, plan, row)
        assert found.reached <= found.possible <= program.parameters.kernel_applications
        slope = program.parameters.channels * program.parameters.tau
        assert np.isclose(found.possible, found.intensity * slope)


BOUNDS = [
    # Full lanes, many output channels.
    ("lanes", dict(image=(1, 32, 8), levels=4, channels=(64,)), dict(pixels=32, channels=4)),
    # Four of 32 lanes.
    ("index bandwidth", dict(image=(1, 8, 20), levels=4, channels=(64,)),
     dict(pixels=32, channels=4)),
    # A pass of 4 index words waits for 4 tables of 8 entries, filled one after the other.
    ("filling", dict(image=(1, 32, 8), levels=4, channels=(4,)),
     dict(pixels=32, channels=4, fill=1)),
    ("filling", dict(image=(1, 32, 8), levels=8, channels=(4,)),
     dict(array="direct", pixels=32, channels=8)),
    # A single pass of 4 words.
    ("latency", dict(image=(1, 4, 8), levels=4, channels=(4,)), dict(pixels=32, channels=4)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "network", "shape"), BOUNDS)
def test_bounds(seed, kind, network, shape):
    made = random_network(seed, **network, pools=("none",), tau=3, antipodal=False)
    program = compile_network(made, **shape)
    found = bound(program, program.plans[0], predict(program)[0])
    assert found.kind == kind
    assert "\n" not in found.reason


@pytest.mark.parametrize("shape", ENGINES, ids=lambda shape: shape["array"])
def test_lanes_over_time_account_for_every_cycle(seed, shape):
    """Of a real simulation: the spans add up to the layers' cycles and kernel applications."""
    network = network_for(seed)
    program = compile_network(network, **shape)
    verdict = verify(program, random_images(seed, network, 3))
    assert verdict.problem is None
    batch = BatchResult.of(verdict.recording, verdict.comparison, 0)
    outcome = Outcome(verdict.predicted, 0, 3, [batch])
    lanes = lanes_over_time(program, outcome, bins=17)
    assert lanes["whole"] and lanes["cycles"] == sum(lanes["cycles_each"]) == outcome.interval
    assert len(lanes["cycles_each"]) == 17
    assert max(lanes["cycles_each"]) - min(lanes["cycles_each"]) <= 1
    layers = predict(program)[:-1]
    for phase in ("useful", "fill", "drain", "stall"):
        assert sum(lanes[phase]) == sum(getattr(row, phase) for row in layers)
    assert sum(lanes["idle"]) == outcome.interval - sum(row.cycles for row in layers)
    assert sum(lanes["lane_slots"]) == sum(
        kernel_applications(program, plan) for plan in program.plans
    )
    assert [layer["name"] for layer in lanes["layers"]] == ["conv1", "conv2", "conv3"]
    assert [layer["end"] - layer["begin"] for layer in lanes["layers"]] == [
        row.cycles for row in layers
    ]
    shares = list(lane_shares(lanes).values())
    assert np.allclose(np.sum(shares, axis=0), 1) and np.min(shares) >= -1e-9
