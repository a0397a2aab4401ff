"""The report says what the simulation showed, to programs and to people."""

import io
import json
import time

import pytest
from rich.console import Console

from hw.schedule import LayerCycles
from hw.sequencer import Phase
from model import golden
from model.errors import UserError
from sim.comparison import Comparison
from sim.outcome import BatchResult, Outcome
from sim.progress import SimulationProgress
from sim.recorder import ImageTensors
from sim.report import Setup, build_report, prepare_folder, write_report
from sim.synthetic import random_images, random_network
from sim.table import markdown, terminal_table
from sim.watcher import Recording

SETUP = Setup("tiny", "digits", "shared", 8, 4, 2, 0, 7, True, "python -m sim.run --model tiny")
PREDICTED = (
    LayerCycles("conv1", "conv3x3", 100, useful=80, fill=10, drain=6, stall=4, macs=9 * 32 * 40),
    LayerCycles("conv2", "conv3x3", 50, useful=40, fill=5, drain=5, stall=0, macs=9 * 32 * 40),
    LayerCycles("head", "head", 11, useful=0, fill=0, drain=11, stall=0, macs=40),
)


def phases(row):
    counts = [0] * len(Phase)
    for phase in (Phase.FILL, Phase.USEFUL, Phase.STALL, Phase.DRAIN):
        counts[phase.value] = getattr(row, phase.name.lower())
    return counts


@pytest.fixture
def network(seed):
    return random_network(seed, image=(1, 4, 4), channels=(3, 4), pools=("none", "none"))


def outcome_of(network, wrong_bits=0, slow_image=None, count=4):
    """A run of ``count`` images, all equal but for some bits of image 1's second layer."""
    images = random_images(0, network, count)
    trace = golden.trace(network, images)
    comparison, recording = Comparison(network, images), Recording(total=999)
    for number in range(count):
        activations = [layer[number].copy() for layer in trace.activations]
        if number == 1:
            activations[1].reshape(-1)[:wrong_bits] ^= True
        classes = int(trace.classes[number])
        found = ImageTensors(
            trace.planes[number], tuple(activations), trace.scores[number], classes
        )
        recording.images.append(found)
        comparison.add(number, [found])
        recording.cycles.append([phases(row) for row in PREDICTED])
        recording.results.append(200 + 150 * number)
        recording.starts.append(50 + 150 * number)
    if slow_image is not None:
        recording.cycles[slow_image][1][Phase.STALL.value] += 3
    batch = BatchResult.of(recording, comparison, 0)
    return Outcome(PREDICTED, 0, count, [batch]), trace.classes


def test_report_of_a_faultless_run(network):
    outcome, classes = outcome_of(network)
    labels = classes.copy()
    labels[2] = (labels[2] + 1) % 10
    report = build_report(SETUP, network, outcome, labels, seconds=2.0)
    assert report == json.loads(json.dumps(report))
    contract = ("model", "array", "pixels", "channels", "images", "mismatches", "accuracy",
                "total_cycles", "predicted_cycles")  # fmt: skip
    assert [report[key] for key in contract] == ["tiny", "shared", 8, 4, 4, 0, 0.75, 161, 161]
    keys = ("name", "kind", "cycles", "predicted", "useful", "fill", "drain", "stall", "macs")
    assert [[row[key] for key in keys] for row in report["layers"]] == [
        ["conv1", "conv3x3", 100, 100, 80, 10, 6, 4, 11520],
        ["conv2", "conv3x3", 50, 50, 40, 5, 5, 0, 11520],
        ["head", "head", 11, 11, 0, 0, 11, 0, 40],
    ]
    # 11,520 MACs are 1,280 kernel applications; 100 cycles of 8 x 4 lanes could do 3,200.
    assert [row["lane_use"] for row in report["layers"]] == [0.4, 0.8, None]
    assert [row["useful_share"] for row in report["layers"]] == [0.8, 0.8, 0.0]
    assert report["interval_cycles"] == 150 and report["useful_share"] == 0.8
    assert report["first_difference"] is None and report["cycle_problems"] == []
    assert report["fill"] == 2 and report["seed"] == 7 and report["tau"] == [5]
    assert outcome.problem is None


def test_differences_come_before_cycles(network):
    outcome, classes = outcome_of(network, wrong_bits=3, slow_image=2)
    report = build_report(SETUP, network, outcome, classes, seconds=2.0)
    assert report["mismatches"] == 3
    first = report["first_difference"]
    assert [first[key] for key in ("image", "layer", "channel", "row", "column")] == [
        1, "conv2", 0, 0, 0,
    ]  # fmt: skip
    assert report["cycle_problems"] == [
        "image 2, layer conv2: cycles: predicted 50, simulated 53",
        "image 2, layer conv2: stall cycles: predicted 0, simulated 3",
    ]
    assert outcome.problem.startswith("3 of ")
    assert f"values differ; the first: {first['text']}" in outcome.problem
    slow, _ = outcome_of(network, slow_image=2)
    assert slow.problem == (
        "2 cycle counts are not as predicted; the first: "
        "image 2, layer conv2: cycles: predicted 50, simulated 53"
    )


def test_a_single_image_has_no_interval(network):
    outcome, classes = outcome_of(network, count=1)
    report = build_report(SETUP, network, outcome, classes, seconds=0.0)
    assert report["interval_cycles"] is None
    assert report["useful_share"] == round(120 / 161, 4)
    assert "one image only" in markdown(report)


def test_markdown_shows_every_layer_and_how_to_repeat_it(network):
    outcome, classes = outcome_of(network, wrong_bits=1)
    text = markdown(build_report(SETUP, network, outcome, classes, seconds=2.0))
    assert "| conv1 | 100 | 100 | 80 | 10 | 6 | 4 | 80.0% | 11,520 | 40.0% |" in text
    assert "| head | 11 | 11 | 0 | 0 | 11 | 0 | 0.0% | 40 | - |" in text
    assert "| all | 161 | 161 | 120 | 15 | 22 | 4 | 74.5% | 23,080 |" in text
    assert "    python -m sim.run --model tiny" in text
    assert "random stalls of seed 7" in text
    assert "**first difference: image 1, layer conv2: channel 0, row 0, column 0" in text


def test_terminal_table_has_the_same_cells(network):
    outcome, classes = outcome_of(network)
    report = build_report(SETUP, network, outcome, classes, seconds=2.0)
    console = Console(file=io.StringIO(), width=80)
    for table in terminal_table(report):
        console.print(table)
    shown = console.file.getvalue()
    for word in ("conv1", "11,520", "40.0%", "accuracy 100.0%", "every 150 cycles"):
        assert word in shown


def test_reports_are_written_whole(network, tmp_path):
    outcome, classes = outcome_of(network)
    report = build_report(SETUP, network, outcome, classes, seconds=2.0)
    folder = tmp_path / "a" / "b"
    prepare_folder(folder)
    write_report(report, markdown(report), folder)
    assert json.loads((folder / "report.json").read_text()) == report
    assert (folder / "report.md").read_text() == markdown(report) + "\n"
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "report.md"]


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/sub cannot be written .Not a directory"):
        prepare_folder(tmp_path / "file" / "sub")


def test_progress_in_plain_lines(monkeypatch):
    monkeypatch.setattr("sim.progress.LINE_SECONDS", 0.01)
    console = Console(file=io.StringIO(), width=100)
    with SimulationProgress(4, 1000, console) as progress:
        progress.stage("building the simulator")
        wait_for(console, "building the simulator: 0 s so far")
        progress.stage("simulating", total=1000)
        progress.update(500, 2)
        progress.differing(3)
        wait_for(console, "  2/4 images")
        wait_for(console, "3 values differ, about")
    assert "\x1b" not in console.file.getvalue()


def test_progress_on_a_terminal():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with SimulationProgress(4, 1000, console) as progress:
        progress.stage("simulating", total=1000)
        progress.update(500, 2)
    assert "2/4 images" in console.file.getvalue()


def wait_for(console, text):
    """Until the progress thread has written it, at most some seconds."""
    for _ in range(500):
        if text in console.file.getvalue():
            return
        time.sleep(0.01)
    raise AssertionError(f"{text!r} never came: {console.file.getvalue()!r}")
