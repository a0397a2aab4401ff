"""The progress of a simulation, on a terminal and in plain lines."""

import io
import time

from rich.console import Console

from sim.progress import SimulationProgress


def test_plain_lines(monkeypatch):
    monkeypatch.setattr("sim.progress.LINE_SECONDS", 0.01)
    console = Console(file=io.StringIO(), width=100)
    with SimulationProgress(4, 1000, console) as progress:
        progress.stage("building the simulator")
        wait_for(console, "building the simulator: 0 s so far")
        progress.stage("simulating", total=1000)
        progress.update(500, 2, 0)
        wait_for(console, "  2/4 images")
        progress.update(500, 2, 3)
        wait_for(console, "3 values differ, about")
    assert "\x1b" not in console.file.getvalue()


def test_it_may_be_entered_again(monkeypatch):
    monkeypatch.setattr("sim.progress.LINE_SECONDS", 0.01)
    console = Console(file=io.StringIO(), width=100)
    progress = SimulationProgress(4, 1000, console)
    for stage in ("first", "second"):
        with progress:
            progress.stage(stage)
            wait_for(console, f"  {stage}: 0 s so far")


def test_terminal():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with SimulationProgress(4, 1000, console) as progress:
        progress.stage("simulating", total=1000)
        progress.update(500, 2, 0)
    assert "2/4 images" in console.file.getvalue()


def wait_for(console, text):
    """Until the progress thread has written it, at most some seconds."""
    for _ in range(500):
        if text in console.file.getvalue():
            return
        time.sleep(0.01)
    raise AssertionError(f"{text!r} never came: {console.file.getvalue()!r}")
