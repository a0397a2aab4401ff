"""Waveforms: the window asked for, the same on both engines, valid for any reader."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vcd.reader import TokenKind, tokenize

from hw.compiler import compile_network
from hw.maps.layout import rows_per_tile
from hw.sequencer import Phase
from model import format as exported
from model.errors import CheckError, UserError
from sim import run as command
from sim import verify as verify_module
from sim.batches import Batch, Job
from sim.compiled.toolchain import missing
from sim.cycles import PHASES
from sim.outcome import BatchResult, Outcome
from sim.stalls import Pauses, Stalls
from sim.synthetic import random_images, random_network
from sim.verify import ENGINES, verify
from sim.waves.mismatch import Finder, Word
from sim.waves.replay import Replay
from sim.waves.request import Request
from sim.waves.window import Window

SMALL = {"image": (2, 5, 7), "levels": 2, "channels": (4, 6), "pools": ("max2", "none")}
SHAPE = {"array": "shared", "pixels": 8, "channels": 2}
compiled = pytest.mark.skipif(missing() is not None, reason=str(missing()))
CHANGES = {
    TokenKind.CHANGE_SCALAR: "scalar_change",
    TokenKind.CHANGE_VECTOR: "vector_change",
    TokenKind.CHANGE_STRING: "string_change",
}


class Waves:
    """A VCD file as pyvcd's reader understands it."""

    def __init__(self, path):
        self.types = {}
        self._codes, self._series = {}, {}
        changes, scope, time = {}, [], 0
        with open(path, "rb") as file:
            for token in tokenize(file):
                if token.kind is TokenKind.SCOPE:
                    scope.append(token.scope.ident)
                elif token.kind is TokenKind.UPSCOPE:
                    scope.pop()
                elif token.kind is TokenKind.VAR:
                    name = ".".join((*scope, token.var.reference.removeprefix("\\")))
                    if token.var.bit_index is not None:
                        name += f"[{token.var.bit_index}]"
                    assert name not in self.types
                    self.types[name] = (token.var.type_.value, token.var.size)
                    self._codes[name] = token.var.id_code
                elif token.kind is TokenKind.CHANGE_TIME:
                    assert token.time_change >= time
                    time = token.time_change
                elif token.kind in CHANGES:
                    change = getattr(token, CHANGES[token.kind])
                    value = change.value
                    if token.kind is TokenKind.CHANGE_SCALAR:
                        value = int(value)
                    changes.setdefault(change.id_code, []).append((time, value))
        assert scope == [] and time % 10 == 0
        self._changes = changes
        firsts = {values[0][0] for values in changes.values()}
        # Every signal has a value from the window's first cycle on.
        assert set(changes) == set(self._codes.values()) and len(firsts) == 1
        self.cycles = range(firsts.pop() // 10, time // 10)

    def series(self, name):
        """Values at the start and in the middle of every cycle."""
        code = self._codes[name]
        if code not in self._series:
            self._series[code] = self._sample(code)
        return self._series[code]

    def _sample(self, code):
        changes = iter([*self._changes[code], (float("inf"), None)])
        values, value = [], None
        time, following = next(changes)
        for now in range(10 * self.cycles.start, 10 * self.cycles.stop, 5):
            while time <= now:
                value = following
                time, following = next(changes)
            values.append(value)
        return values

    def at(self, cycle, *names):
        place = 2 * (cycle - self.cycles.start)
        return tuple(self.series(f"engine.{name}")[place] for name in names)


@pytest.fixture
def program(seed):
    return compile_network(random_network(seed, **SMALL), **SHAPE)


@pytest.fixture
def batch(seed, program):
    return Batch(0, random_images(seed, program.network, 2))


def write(job, batch, window, path):
    written = Replay.of(job).write(batch, window, path)
    waves = Waves(path)
    assert waves.cycles == range(written.first, written.last + 1)
    return waves


@pytest.mark.both_engines
@pytest.mark.parametrize("stalls", [None, Stalls(5, pause=0.3, longest=4, block=50)])
def test_a_window_shows_its_part_of_everything(sim_engine, stalls, program, batch, tmp_path):
    job = Job(program, sim_engine, stalls=stalls)
    recording = verify(program, batch.images, stalls=stalls).recording
    whole = write(job, batch, Window(), tmp_path / "whole.vcd")
    last = recording.total - 1
    assert whole.cycles == range(recording.total)

    # What the file says is what was recorded without it.
    layers = whole.series("engine.probe__layer")[::2]
    phases = whole.series("engine.probe__phase")[::2]
    seen = [PHASES * layer + Phase[name].value for layer, name in zip(layers, phases, strict=True)]
    assert seen == list(recording.timeline)
    taken = np.array(whole.series("engine.o__valid")) & whole.series("engine.o__ready")
    assert np.flatnonzero(taken[::2]).tolist() == recording.results
    assert whole.series("engine.clk")[2:] == [1, 0] * last

    names = [layer.name for layer in program.network.layers]
    idle = Phase.IDLE.value
    for image, layer in ((0, 0), (1, 1)):
        window = Window(image=image, layer=layer)
        start, stop = (*recording.starts, last + 1)[image : image + 2]
        inside = [
            cycle
            for cycle in range(start, stop)
            if seen[cycle] // PHASES == layer and seen[cycle] % PHASES != idle
        ]
        part = write(job, batch, window, tmp_path / "layer.vcd")
        assert list(part.cycles) == inside
        assert set(part.series("engine.sequencer.layer")) == {names[layer]}
        check_part(whole, part)
    head = write(job, batch, Window(image=1, layer=2, head=True), tmp_path / "head.vcd")
    assert head.cycles.stop - 1 == recording.results[1]
    finished = np.array(whole.series("engine.sequencer.finish"))[::2]
    assert head.cycles.start == np.flatnonzero(finished)[1] + 1
    check_part(whole, head)
    for first, to in ((0, 0), (last, last), (100, 120)):
        part = write(job, batch, Window(first, to), tmp_path / "part.vcd")
        assert part.cycles == range(first, (last if to is None else to) + 1)
        check_part(whole, part)
    assert (tmp_path / "layer.vcd").stat().st_size < (tmp_path / "whole.vcd").stat().st_size / 3


def check_part(whole, part):
    assert part.types == whole.types
    places = slice(2 * part.cycles.start, 2 * part.cycles.stop)
    for name in part.types:
        assert part.series(name) == whole.series(name)[places], name


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("array", ["shared", "direct"])
@pytest.mark.parametrize("stalls", [None, Stalls(3, pause=0.2, block=40)])
def test_both_engines_show_the_same_in_every_cycle(array, stalls, batch, program, tmp_path):
    """Every signal kept of the design: streams and probe among them, and all in between."""
    program = compile_network(program.network, **SHAPE | {"array": array})
    one, other = (
        write(Job(program, engine, stalls=stalls), batch, Window(), tmp_path / f"{engine}.vcd")
        for engine in ENGINES
    )
    assert one.cycles == other.cycles and one.types == other.types
    outputs = {"i__ready", "o__valid", "o__payload.label", "o__payload.scores[0]"}
    outputs |= {f"probe__{name}" for name in ("phase", "plane_data", "write_tile", "head_busy")}
    assert {f"engine.{name}" for name in outputs} <= set(one.types) and len(one.types) > 500
    for name in one.types:
        assert one.series(name) == other.series(name), name
    # The simulator without waveforms keeps step with them, stalls and all.
    plain = verify(program, batch.images, engine="compiled", stalls=stalls).recording
    taken = np.array(one.series("engine.o__valid")) & one.series("engine.o__ready")
    assert plain.results == np.flatnonzero(taken[::2]).tolist()
    assert plain.total == len(one.cycles)


def run_wrong(program, job, batch):
    """The outcome of a run whose first threshold is wrong."""
    flipped = [*program.images.thresholds]
    flipped[0] ^= 1
    wrong = replace(program, images=replace(program.images, thresholds=tuple(flipped)))
    job = replace(job, program=wrong)
    # Only the second batch of two is simulated wrongly.
    results = []
    for part, which in ((Batch(0, batch.images[:1]), program), (Batch(1, batch.images[1:]), wrong)):
        verdict = verify(
            which, part.images, engine=job.engine, number=job.number + part.first,
            stalls=job.stalls,
        )  # fmt: skip
        results.append(BatchResult.of(verdict.recording, verdict.comparison, part.first))
    outcome = Outcome((), job.number, len(batch.images), results)
    return job, [Batch(0, batch.images[:1]), Batch(1, batch.images[1:])], outcome


@pytest.mark.both_engines
def test_the_first_mismatch_is_in_the_middle(sim_engine, program, batch, tmp_path):
    path = tmp_path / "wrong.vcd"
    job = Job(program, sim_engine, number=70, stalls=Stalls(1, pause=0.2))
    job, batches, outcome = run_wrong(program, job, batch)
    difference = outcome.first_difference
    assert (difference.image, difference.layer) == (71, "conv1")
    line = Request(on_mismatch=path).write_mismatch(job, batches, outcome, print)
    cycle = int(re.search(r"image 71, layer conv1, cycle ([\d,]+)\)", line)[1].replace(",", ""))
    waves = Waves(path)
    assert cycle - waves.cycles.start >= 20 and waves.cycles.stop - cycle >= 10
    assert len(waves.cycles) < 200
    width = program.plans[0].out_width
    rows = rows_per_tile(width, program.parameters.pixels)
    names = ("valid", "layer", "tile", "channel", "data")
    *place, word = waves.at(cycle, *(f"probe__write_{name}" for name in names))
    assert place == [1, 0, difference.row // rows, difference.channel]
    lane = difference.row % rows * width + difference.column
    assert word >> lane & 1 == (difference.found > 0)
    marked = re.search(r"^\*\S+ (\d+)", path.with_suffix(".gtkw").read_text(), re.MULTILINE)
    assert int(marked[1]) == 10 * cycle


@pytest.mark.both_engines
def test_words_of_planes_and_results_are_found_too(sim_engine, program, batch, tmp_path):
    job = Job(program, sim_engine)
    whole = write(job, batch, Window(), tmp_path / "whole.vcd")
    finder = Finder(Word(1, 0, tile=1, channel=3), program)
    replay = Replay.of(job)
    replay._simulate(batch, finder)
    names = [f"engine.probe__plane_{name}" for name in ("valid", "tile", "channel")]
    seen = list(zip(*(whole.series(name)[::2] for name in names), strict=True))
    assert finder.found == [cycle for cycle, row in enumerate(seen) if row == (1, 1, 3)][1]

    head = program.network.head
    other = replace(head, bias=head.bias + 1)
    network = replace(program.network, layers=(*program.network.convs, other))
    images = compile_network(network, **SHAPE).images
    verdict = verify(replace(program, images=images), batch.images, engine=sim_engine)
    result = BatchResult.of(verdict.recording, verdict.comparison, 0)
    assert result.first_difference.layer == "head"
    cycle, window = replay.window_around(batch, result, result.first_difference)
    assert cycle == result.results[0] and window.first < cycle - 20 < cycle < window.last


def test_no_mismatch_no_file(program, batch, tmp_path):
    recording, comparison = (v := verify(program, batch.images)).recording, v.comparison
    outcome = Outcome((), 0, 2, [BatchResult.of(recording, comparison, 0)])
    path = tmp_path / "none.vcd"
    line = Request(on_mismatch=path).write_mismatch(Job(program, "python"), [batch], outcome, print)
    assert line == f"no value differs: {path} is not written"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.both_engines
def test_a_hang_leaves_its_waveforms(sim_engine, program, batch, tmp_path, monkeypatch):
    monkeypatch.setattr(verify_module, "PATIENCE_IMAGES", 0)
    with pytest.raises(CheckError, match="hangs.*up to there are in .*hang.vcd"):
        write(Job(program, sim_engine), batch, Window(), tmp_path / "hang.vcd")
    waves = Waves(tmp_path / "hang.vcd")
    assert waves.cycles.start == 0 and len(waves.cycles) > 5


@compiled
def test_a_full_disk_leaves_nothing(program, batch, tmp_path, monkeypatch):
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: full)
        with pytest.raises(UserError, match="No space left"):
            write(Job(program, "compiled"), batch, Window(), tmp_path / "full.vcd")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("array", ["shared", "direct"])
def test_the_save_file_names_what_is_there(array, batch, program, tmp_path):
    program = compile_network(program.network, **SHAPE | {"array": array})
    path = tmp_path / "some.vcd"
    waves = write(Job(program, "python"), batch, Window(0, 20), path)
    text = path.with_suffix(".gtkw").read_text()
    assert f'[dumpfile] "{path}"' in text
    traces = re.findall(r"^\+\{(.+)\} (\S+?)(?:\[(\d+):0\])?$", text, re.MULTILINE)
    assert 80 < len(traces) < 160
    for alias, name, high in traces:
        kind, bits = waves.types[name.replace("\\", "")]
        assert len(alias) < 24 and (kind == "string" or bits == int(high or 0) + 1)
    groups = list(dict.fromkeys(re.findall(r"^-([A-Z].*)$", text, re.MULTILINE)))
    assert groups[0] == "Input stream" and groups[-2] == "Output stream"
    assert groups.index("Index stream") < groups.index("Accumulator") < groups.index("Pooling")
    for rows in re.findall(r"@[\da-f]+200\n-.*?@[\da-f]+200\n", text, re.DOTALL):
        assert rows.count("\n+") < 40


BAD = [
    (["--vcd-layer", "conv9"], "no layer 'conv9'; there are conv1, conv2, head"),
    (["--vcd-layer", "conv1@5"], "image 5 is not simulated; 3 to 4 are"),
    (["--vcd-layer", "conv1@"], "image (none) is not simulated"),
    (["--vcd-cycles", "9:8"], "the window ends before it begins"),
    (["--vcd-cycles", "x:8"], "takes FROM:TO"),
    (["--vcd-cycles", "12"], "takes FROM:TO"),
    (["--vcd-cycles", "900:900000"], "cycle 900000 is beyond"),
    (["--vcd-cycles", "9", "--vcd-layer", "conv1"], "do not go together"),
    (["--vcd-on-mismatch", "DIR/w.vcd"], "name the same file"),
    (["--vcd", "DIR"], "is a folder"),
    (["--stalls", "--vcd-cycles", "10:900000"], "simulation ends with cycle"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(o) for o, _ in BAD])
def test_bad_limits_end_with_one_line(options, message, seed, tmp_path):
    network = random_network(seed, channels=(4, 6), tau=3)
    network = replace(network, provenance={"dataset": "digits"})
    exported.save(network, tmp_path / "tiny.safetensors")
    out = tmp_path / "waves"
    out.mkdir()
    given = ["--vcd", "DIR/w.vcd", *options] if options[0] != "--vcd" else options
    shape = ["--images", "2", "--first", "3", "--pixels", "16", "--channels", "4"]
    with pytest.raises(UserError) as caught:
        command.main(
            ["--model", str(tmp_path / "tiny.safetensors"), "--engine", "python", *shape,
             "--out", str(tmp_path / "out"), *(text.replace("DIR", str(out)) for text in given)]
        )  # fmt: skip
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_status == 2
    assert list(out.iterdir()) == []


def test_limits_need_a_file(tmp_path):
    with pytest.raises(UserError, match="--vcd-layer limits --vcd"):
        command.main(["--vcd-layer", "conv1", "--out", str(tmp_path), "--engine", "python"])


def test_pauses_are_those_of_the_generator_everybody_knows():
    """xorshift64* in another arithmetic, and its use."""
    stalls = Stalls(9, pause=0.25, longest=6)
    pauses = stalls.input
    state = np.uint64(pauses.state)

    def draw():
        nonlocal state
        state ^= state >> np.uint64(12)
        state ^= state << np.uint64(25)
        state ^= state >> np.uint64(27)
        return int((state * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(32))

    with np.errstate(over="ignore"):
        found = [pauses.next() for _ in range(4000)]
        assert found == [1 + draw() % 6 if draw() < 2**30 else 0 for _ in range(4000)]
    assert 800 < np.count_nonzero(found) < 1200 and set(found) == set(range(7))
    assert stalls.output.state != stalls.input.state != Pauses(Stalls(8), "input").state
    assert not any(Stalls(9).input.next() for _ in range(100))
    assert all(Stalls(9, pause=1.0).input.next() for _ in range(100))


def test_the_command_writes_both_files(seed, tmp_path, capsys):
    network = replace(
        random_network(seed, channels=(4, 6), tau=3), provenance={"dataset": "digits"}
    )
    exported.save(network, tmp_path / "tiny.safetensors")
    path: Path = tmp_path / "deep" / "w.vcd"
    command.main(
        ["--model", str(tmp_path / "tiny.safetensors"), "--engine", "python", "--images", "2",
         "--pixels", "16", "--channels", "4", "--first", "3", "--out", str(tmp_path / "out"),
         "--vcd", str(path), "--vcd-layer", "conv2@4"]
    )  # fmt: skip
    assert "waveforms of layer conv2 of image 4" in capsys.readouterr().out
    assert set(Waves(path).series("engine.sequencer.layer")) == {"conv2"}
    assert path.with_suffix(".gtkw").exists()
