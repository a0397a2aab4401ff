"""The command ``python -m sim.run`` as a user meets it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import datasets, golden
from model import format as exported
from model.errors import CheckError, UserError
from sim import run as command
from sim.patience import patience
from sim.synthetic import random_network

ROOT = Path(__file__).parent.parent
SMALL = ("--pixels", "16", "--channels", "4")


@pytest.fixture
def model(seed, tmp_path):
    """A tiny untrained network for 8x8 digits, exported."""
    network = random_network(seed, channels=(4, 6), tau=3)
    network = replace(network, provenance={"dataset": "digits"})
    exported.save(network, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def run(model, tmp_path, *options):
    command.main(["--model", str(model), "--out", str(tmp_path / "out"), *SMALL, *options])
    return json.loads((tmp_path / "out" / "report.json").read_text())


@pytest.mark.parametrize("array", ["direct", "shared"])
def test_writes_a_report_and_tensors(model, tmp_path, capsys, array):
    report = run(model, tmp_path, "--images", "3", "--first", "5", "--array", array, "--tensors")
    assert report["mismatches"] == 0 and report["cycle_problems"] == []
    assert (report["array"], report["pixels"], report["channels"]) == (array, 16, 4)
    assert report["images"] == 3 and report["dataset"] == "digits"
    assert report["total_cycles"] == report["predicted_cycles"] > 0
    assert report["total_cycles"] == sum(row["cycles"] for row in report["layers"])
    for row in report["layers"]:
        parts = sum(row[key] for key in ("useful", "fill", "drain", "stall"))
        assert row["cycles"] == row["predicted"] == parts
    assert [row["kind"] for row in report["layers"]] == ["conv3x3", "conv3x3", "head"]
    assert (tmp_path / "out" / "report.md").read_text().startswith("# Simulation of ")
    shown = capsys.readouterr().out
    assert "one image" in shown and "conv1" in shown
    with np.load(tmp_path / "out" / "tensors.npz") as tensors:
        assert np.array_equal(tensors["images"], datasets.load("digits").images[5:8])
        trace = golden.trace(exported.load(model), tensors["images"])
        for name, want in zip(
            ("input", "conv1", "conv2", "scores", "class"),
            (trace.planes, *trace.activations, trace.scores, trace.classes),
            strict=True,
        ):
            assert np.array_equal(tensors[f"golden.{name}"], want)
            assert np.array_equal(tensors[f"rtl.{name}"], want)


def test_stalls_and_waveforms(model, tmp_path):
    report = run(
        model, tmp_path, "--images", "2", "--first", "362", "--stalls", "--seed", "5",
        "--fill", "2", "--vcd", str(tmp_path / "waves.vcd"),
    )  # fmt: skip
    assert report["stalls"] and report["seed"] == 5 and report["fill"] == 2
    assert report["mismatches"] == 0
    assert (tmp_path / "waves.vcd").stat().st_size > 1000


def test_a_difference_ends_with_status_1_and_its_name(model, tmp_path, monkeypatch):
    network = exported.load(model)
    head = network.head
    other = replace(network, layers=(*network.convs, replace(head, bias=head.bias + 1)))
    compile_network = command.compile_network

    def compile_other(given, **shape):
        return replace(compile_network(other, **shape), network=given)

    monkeypatch.setattr(command, "compile_network", compile_other)
    with pytest.raises(CheckError, match="image 0, layer head: score of class 0") as caught:
        run(model, tmp_path, "--images", "2")
    assert caught.value.exit_status == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["mismatches"] == 20
    assert report["first_difference"]["layer"] == "head"


BAD = [
    (["--pixels", "0"], "--pixels must be a whole number of at least 1, not '0'"),
    (["--channels", "x"], "--channels must be a whole number of at least 1, not 'x'"),
    (["--jobs", "0"], "--jobs must be a whole number of at least 1, not '0'"),
    (["--jobs", "two"], "--jobs must be a whole number of at least 1, not 'two'"),
    (["--jobs", "1", "--scheduler", "tcp://a:1"], "--jobs is for this machine, --scheduler for a"),
    (["--images", "-3"], "--images must be a whole number of at least 1 or \"all\", not '-3'"),
    (["--images", "0"], "--images must be a whole number of at least 1"),
    (["--images", "all", "--first", "364"], "digits has 364 test images"),
    (["--stack", "resnet18"], "--model and --stack do not go together"),
    (["--bits", "0.56"], "--bits belongs to --stack"),
    (["--rows", "8"], "--rows belongs to --stack and --net"),
    (["--net", "resnet20"], "--model and --net do not go together"),
    (["--net", "cnv", "--stack", "cnv"], "--stack and --net do not go together"),
    (["--rows", "1"], "--rows must be a whole number of at least 2"),
    (["--images", "999999"], "digits has 364 test images"),
    (["--images", "2", "--first", "363"], "digits has 364 test images"),
    (["--channels", "4", "--fill", "3"], "fill must divide the 4 channels"),
    (["--array", "direct", "--fill", "2"], "fill belongs to the shared array"),
    (["--dataset", "cats"], "data set 'cats' is not known"),
    (["--dataset", "mnist"], "--data DIR"),
    (["--dataset", "mnist", "--data", "/nowhere"], "/nowhere"),
    (["--model", "nowhere"], "neither a file nor a shipped network"),
    (["--out", "/dev/null/x"], "cannot be written"),
    (["--vcd", "/dev/null/x/waves.vcd"], "cannot be written"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(o) for o, _ in BAD])
def test_bad_input_ends_with_one_line(model, tmp_path, options, message):
    with pytest.raises(UserError) as caught:
        run(model, tmp_path, *options)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_status == 2
    assert not (tmp_path / "out" / "report.json").exists()


def test_images_of_another_size(seed, tmp_path):
    network = random_network(seed, image=(1, 7, 7), channels=(2,), pools=("none",))
    exported.save(network, tmp_path / "odd.safetensors")
    with pytest.raises(UserError, match="does not say what it was trained on"):
        run(tmp_path / "odd.safetensors", tmp_path)
    with pytest.raises(UserError, match=r"digits has images 1 x 8 x 8, .* takes 1 x 7 x 7"):
        run(tmp_path / "odd.safetensors", tmp_path, "--dataset", "digits")


def test_unknown_array_and_status_of_the_process(model):
    done = start("--model", str(model), "--array", "cubic")
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 2
    assert "cubic" in errors and len(errors.splitlines()) <= 2
    done = start("--model", "missing.safetensors")
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 2
    assert errors.startswith("error: model 'missing.safetensors'")


def test_ctrl_c_before_the_first_image_leaves_no_report(model, tmp_path):
    process = start_long(model, tmp_path / "out")
    wait_for(process, "simulating")
    assert ctrl_c(process) == "interrupted\n"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_a_partial_report(model, tmp_path, jobs):
    out = tmp_path / "out"
    process = start_long(model, out, "--jobs", jobs, "--tensors")
    wait_for(process, r"  [1-9]\d*/364 images")
    errors = ctrl_c(process)
    report = json.loads((out / "report.json").read_text())
    assert report["partial"] and report["asked_images"] == 364
    assert 0 < report["images"] < 364 and report["mismatches"] == 0
    covered = f"the report covers the first {report['images']} of 364 images"
    assert errors == f"interrupted: {covered}\n"
    assert "partial" in (out / "report.md").read_text().lower()
    with np.load(out / "tensors.npz") as tensors:
        assert {len(tensors[name]) for name in tensors.files} == {report["images"]}


def test_workers_end_with_their_parent(model, tmp_path):
    process = start_long(model, tmp_path / "out", "--jobs", "2")
    wait_for(process, r"  [1-9]\d*/364 images")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("no /proc here")
    workers = children.read_text().split()
    process.kill()
    # They hold its output open as long as they live.
    process.communicate(timeout=10)
    assert len(workers) >= 2


def start_long(model, out, *options):
    """A simulation of a minute, by the engine that is slow enough to be caught at work."""
    options = ("--out", str(out), "--engine", "python", "--images", "364", *SMALL, *options)
    return start("--model", str(model), *options)


def wait_for(process, pattern):
    """Read the command's output up to a line that matches."""
    for line in process.stdout:
        if re.search(pattern, line):
            return
    pytest.fail(process.stderr.read())


def ctrl_c(process):
    """What a terminal does: to every process of the command; its errors, once it has ended."""
    os.killpg(process.pid, signal.SIGINT)
    sent = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - sent < patience(2)
    assert process.returncode == 130
    return errors


def start(*options):
    """The command in a process of its own, warnings being errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-u", "-m", "sim.run", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
