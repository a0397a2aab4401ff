"""The harness, its recorders and its watchdog, on an engine that only plays a written script."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.maps.layout import pack_map
from hw.schedule import LayerCycles
from model import golden
from model.errors import CheckError
from sim.comparison import Comparison
from sim.cycles import DRAIN, FILL, IDLE, STALL, USEFUL, CycleRecorder, check
from sim.harness import Harness
from sim.recorder import MapRecorder
from sim.stalls import Stalls
from sim.synthetic import random_images, random_network

PIXELS = 16
PROBE = data.StructLayout(
    {
        "layer": 4,
        "phase": 3,
        "head_busy": 1,
        "plane_valid": 1,
        "plane_tile": 8,
        "plane_channel": 8,
        "plane_data": PIXELS,
        "write_valid": 1,
        "write_layer": 4,
        "write_tile": 8,
        "write_channel": 8,
        "write_data": PIXELS,
    }
)
RESULT = data.StructLayout({"label": unsigned(8), "scores": data.ArrayLayout(signed(24), 10)})


class ScriptedEngine(wiring.Component):
    """Takes an image's bytes, then shows a script of probe states, then a result; and again.

    ``scripts`` holds one list of probe states (dicts) an image, ``results`` one dict an image.
    ``withdraws`` breaks the stream rule: a result is offered for one cycle only.
    """

    def __init__(self, image_bytes, scripts, results, withdraws=False):
        self.image_bytes = image_bytes
        self.scripts = scripts
        self.results = results
        self.withdraws = withdraws
        signature = {
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(RESULT)),
            "probe": Out(PROBE),
        }
        super().__init__(signature)

    def elaborate(self, platform):
        m = Module()
        rows = [PROBE.const(row) for script in self.scripts for row in script]
        m.submodules.script = script = memory.Memory(shape=PROBE, depth=len(rows), init=rows)
        m.submodules.results = results = memory.Memory(
            shape=RESULT, depth=len(self.results), init=[RESULT.const(r) for r in self.results]
        )
        row, result = script.read_port(domain="comb"), results.read_port(domain="comb")
        ends = np.cumsum([len(script) for script in self.scripts]).tolist()
        count = Signal(range(self.image_bytes + 1))
        m.d.comb += self.o.payload.eq(result.data)
        with m.FSM():
            with m.State("LOAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == self.image_bytes - 1):
                        m.d.sync += count.eq(0)
                        m.next = "PLAY"
            with m.State("PLAY"):
                m.d.comb += self.probe.eq(row.data)
                m.d.sync += row.addr.eq(row.addr + 1)
                for number, end in enumerate(ends):
                    with m.If((row.addr == end - 1) & (result.addr == number)):
                        m.next = "RESULT"
            with m.State("RESULT"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += result.addr.eq(result.addr + 1)
                with m.If(self.o.ready | self.withdraws):
                    m.next = "LOAD"
        return m


def words(name, planes):
    """The probe fields of every word of a map."""
    for tile, channels in enumerate(pack_map(planes, PIXELS)):
        for channel, word in enumerate(channels):
            place = {f"{name}_tile": tile, f"{name}_channel": channel}
            yield {f"{name}_valid": 1, f"{name}_data": word} | place


def script_of(trace, number):
    """What a correct engine would show: a layer 1 cycle fill, its words, 2 drain; the head 3."""
    rows = list(words("plane", trace.planes[number]))
    for layer, activations in enumerate(trace.activations):
        rows.append({"layer": layer, "phase": FILL})
        for row in words("write", activations[number]):
            rows.append(row | {"write_layer": layer, "layer": layer, "phase": USEFUL})
        rows += [{"layer": layer, "phase": DRAIN}] * 2
    return rows + [{"head_busy": 1}] * 3


@pytest.fixture
def network(seed):
    return random_network(seed, image=(1, 6, 5), channels=(3, 4), pools=("max2", "none"))


@pytest.fixture
def images(seed, network):
    return random_images(seed, network, 3)


def make(network, images, edit=lambda scripts, results: None, withdraws=False):
    """A scripted engine for these images; ``edit`` changes scripts and results in place."""
    trace = golden.trace(network, images)
    scripts = [script_of(trace, number) for number in range(len(images))]
    results = [
        {"label": int(label), "scores": scores.tolist()}
        for label, scores in zip(trace.classes, trace.scores, strict=True)
    ]
    edit(scripts, results)
    return ScriptedEngine(images[0].size, scripts, results, withdraws)


def simulate(engine, network, images, **options):
    comparison = Comparison(network, images)
    options = {"patience": 100, "on_images": comparison.add} | options
    return Harness(engine, network, PIXELS, images, **options).run(), comparison


def find(script, **fields):
    """The place of the first row with these fields."""
    return next(n for n, row in enumerate(script) if fields.items() <= row.items())


def test_every_tensor_and_cycle_is_recorded(network, images):
    recording, comparison = simulate(make(network, images), network, images)
    trace = golden.trace(network, images)
    for number, found in enumerate(recording.images):
        assert np.array_equal(found.planes, trace.planes[number])
        for want, got in zip(trace.activations, found.activations, strict=True):
            assert np.array_equal(got, want[number])
        assert np.array_equal(found.scores, trace.scores[number])
        assert found.label == trace.classes[number]
    assert comparison.mismatches == 0 and comparison.first is None
    assert comparison.values == 3 * (3 * 30 + 3 * 6 + 4 * 6 + 10 + 1)
    # Map 3x2: 4 rows a tile; conv1 writes 1 tile of 3 channels, conv2 one of 4.
    assert recording.cycles == [[[0, 1, 3, 0, 2], [0, 1, 4, 0, 2], [0, 0, 0, 0, 3]]] * 3
    assert len(set(recording.intervals)) == 1
    assert recording.total == recording.results[-1] + 1


@pytest.mark.parametrize("stalls", [{"pause": 0.3}, {"block": 500}, {"pause": 0.7, "longest": 40}])
def test_stalls_change_only_the_time(network, images, seed, stalls):
    plain, _ = simulate(make(network, images), network, images)
    slow, comparison = simulate(
        make(network, images), network, images, stalls=Stalls(seed, **stalls), patience=20
    )
    assert comparison.mismatches == 0
    assert slow.cycles == plain.cycles
    assert slow.total > plain.total


def test_differences_are_named(network, images):
    def edit(scripts, results):
        row = scripts[1][find(scripts[1], write_layer=1, write_channel=2)]
        row["write_data"] ^= 1 << 3  # the map is 2 wide: row 1, column 1
        scripts[2][find(scripts[2], plane_tile=1, plane_channel=0)]["plane_data"] ^= 0b101
        results[2]["scores"][4] += 1
        results[2]["label"] = (results[2]["label"] + 1) % 10

    _, comparison = simulate(make(network, images, edit), network, images)
    assert comparison.mismatches == 5
    value = golden.trace(network, images).activations[1][1, 2, 1, 1]
    expected, found = ("+1", "-1") if value else ("-1", "+1")
    place = "image 1, layer conv2: channel 2, row 1, column 1"
    assert str(comparison.first) == f"{place}: expected {expected}, found {found}"
    counts = [(count.layer, count.tensor, count.differing) for count in comparison.tensors]
    assert counts == [
        ("input", "planes", 2),
        ("conv1", "activations", 0),
        ("conv2", "activations", 1),
        ("head", "scores", 1),
        ("head", "class", 1),
    ]


def test_hang_is_reported_with_its_place(network, images):
    def edit(scripts, results):
        place = find(scripts[1], layer=1)
        scripts[1][place:place] = [{"layer": 1, "phase": STALL}] * 200

    with pytest.raises(CheckError, match=r"hangs: .* layer conv2, phase STALL, after 1 of 3"):
        simulate(make(network, images, edit), network, images)


def test_engine_that_waits_for_more_input_hangs(network, images):
    engine = ScriptedEngine(images.size + 1, [[{}]], [{}])
    with pytest.raises(CheckError, match=r"hangs: .* phase IDLE, after 0 of 3"):
        simulate(engine, network, images)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda row: row.update(write_channel=0), "tile 0 of channel 0 was written twice"),
        (lambda row: row.update(write_tile=7), "the map has 1 tiles of 3 channels"),
        (lambda row: row.update(write_layer=3), "layer 3, which is no conv3x3"),
        (lambda row: row.update(write_valid=0), "tile 0 of channel 1 was never written"),
    ],
)
def test_words_that_fit_nowhere(network, images, edit, message):
    def edit_first(scripts, results):
        edit(scripts[0][find(scripts[0], write_layer=0, write_channel=1)])

    with pytest.raises(CheckError, match=message):
        simulate(make(network, images, edit_first), network, images)


def test_withdrawn_result_is_reported(network, images):
    engine = make(network, images, withdraws=True)
    with pytest.raises(CheckError, match="result of image 0 was withdrawn or changed"):
        simulate(engine, network, images, stalls=Stalls(block=5))


def test_map_recorder_lays_tiles_below_each_other(seed):
    rng = np.random.default_rng(seed)
    for pixels, shape in ((8, (2, 5, 3)), (9, (1, 4, 9)), (64, (3, 3, 3)), (4, (2, 1, 1))):
        recorder = MapRecorder("map", shape, pixels)
        for _ in range(2):
            planes = rng.random(shape) < 0.5
            places = [(t, c, w) for t, ws in enumerate(pack_map(planes, pixels))
                      for c, w in enumerate(ws)]  # fmt: skip
            for place in rng.permutation(len(places)):
                recorder.write(*places[place])
            assert np.array_equal(recorder.take(), planes)


def test_images_of_a_single_layer_are_told_apart():
    recorder = CycleRecorder(2)
    image = [FILL, USEFUL, STALL, USEFUL, DRAIN, DRAIN]
    # The head works on an image while the next one is in its first two or three cycles.
    phases = [IDLE, *image, *image, IDLE, *image, IDLE, IDLE]
    busy = [0] * 7 + [1, 1, 0, 0, 0, 0] + [1, 1, 0, 0, 0, 0, 0] + [1, 1]
    for cycle, (phase, head) in enumerate(zip(phases, busy, strict=True)):
        recorder.tick(cycle, 0, phase, head)
    assert recorder.images == [[[0, 1, 2, 1, 2], [0, 0, 0, 0, 2]]] * 3
    assert recorder.starts == [1, 7, 14]


def test_unpredicted_cycles_are_named():
    predicted = [LayerCycles("conv1", "conv3x3", 6, 3, 1, 2, 0, 99)]
    assert check(predicted, [[[5, 1, 3, 0, 2]]], 1) == []
    assert check(predicted, [[[0, 1, 3, 0, 2]], [[0, 1, 4, 0, 2]]], 3) == [
        "2 images were computed, not 3",
        "image 1, layer conv1: cycles: predicted 6, simulated 7",
        "image 1, layer conv1: useful cycles: predicted 3, simulated 4",
    ]
