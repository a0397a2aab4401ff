"""Bad input, as a new user gives it: exit status 2, a line or two that help, no file left."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.format import save
from model.shipped import DEFAULT, resolve
from sim.synthetic import random_network

ROOT = Path(__file__).parents[1]
TRAIN = ("model.train", "--dataset", "digits", "--epochs", "1")
SIMULATE = ("sim.run", "--images", "1")
BUILD = ("hw.build", "--board", "arty_a7")
USERS = {"sim.run": SIMULATE, "hw.build": BUILD}


@dataclass
class Outcome:
    """How a command ended: its status, the lines on stderr, the files it left."""

    status: int
    lines: list[str]
    files: set[str]

    def check(self, *words: str) -> None:
        """It was refused: status 2, one or two lines that hold the words, and no file left."""
        text = "\n".join(self.lines)
        assert self.status == 2, text
        assert 1 <= len(self.lines) <= 2, text
        assert "Traceback" not in text
        for word in words:
            assert word in text
        assert not self.files


@pytest.fixture
def run(tmp_path):
    """Runs ``python -m`` in an empty folder; what lies there before is not counted as left."""

    def files() -> set[str]:
        return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}

    def run(*arguments: object) -> Outcome:
        before = files()
        done = subprocess.run(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Outcome(done.returncode, done.stderr.splitlines(), files() - before)

    return run


def truncated(blob: bytes) -> bytes:
    return blob[: len(blob) // 2]


def altered(blob: bytes) -> bytes:
    return blob[:-20] + bytes([blob[-20] ^ 0x10]) + blob[-19:]


def newer(blob: bytes) -> bytes:
    return blob.replace(b'"format":"1"', b'"format":"9"')


@pytest.mark.parametrize("command", USERS.values(), ids=USERS)
class TestModelFile:
    def test_missing(self, run, command):
        run(*command, "--model", "nowhere.safetensors").check("nowhere.safetensors", DEFAULT)

    @pytest.mark.parametrize(
        ("damage", "word"),
        [(truncated, "truncated"), (altered, "altered"), (newer, "version '9'")],
        ids=["truncated", "altered", "newer"],
    )
    def test_damaged(self, run, command, damage, word, tmp_path):
        whole = resolve(DEFAULT).read_bytes()
        bad = damage(whole)
        assert bad != whole
        (tmp_path / "bad.safetensors").write_bytes(bad)
        run(*command, "--model", "bad.safetensors").check("bad.safetensors", word)


@pytest.mark.parametrize("command", USERS.values(), ids=USERS)
def test_no_pixels(run, command):
    run(*command, "--pixels", 0).check("pixels", "at least 1")


@pytest.mark.parametrize("bits", ["0.5", "0", "many"])
def test_bits_that_no_index_has(run, bits):
    run(*TRAIN, "--bits", bits).check("--bits", "0.56", "0.44")


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist", "cifar10"])
def test_training_without_the_data(run, dataset, tmp_path):
    (tmp_path / "empty").mkdir()
    run("model.train", "--dataset", dataset, "--data", "empty").check(dataset, "empty", "://")


def test_training_without_naming_the_data(run):
    run("model.train", "--dataset", "mnist").check("mnist", "--data", "://")


def test_simulating_without_the_data(run, tmp_path, seed):
    save(random_network(seed, image=(1, 28, 28)), tmp_path / "net.safetensors")
    (tmp_path / "empty").mkdir()
    arguments = ("--model", "net.safetensors", "--dataset", "mnist", "--data", "empty")
    run(*SIMULATE, *arguments).check("mnist", "empty", "://")


@pytest.mark.parametrize("command", [TRAIN, SIMULATE, BUILD], ids=lambda command: command[0])
def test_folder_that_cannot_be_written(run, command, tmp_path):
    """Below a regular file: this holds for root too, whom permissions do not stop."""
    (tmp_path / "file").write_text("")
    run(*command, "--out", "file/out").check("file/out")


def test_unknown_board(run):
    run("hw.build", "--board", "nexys").check("nexys", "arty_a7", "ulx3s_85f")


def test_demo_stops_at_the_first_bad_step(run):
    outcome = run("sim.demo", "--bits", "0.5")
    assert outcome.status == 2
    assert not outcome.files
