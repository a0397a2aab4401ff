"""What happens to a new user's training: Ctrl-C at any moment, a full disk, bad data, bad files."""

import gzip
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model import datasets, train  # noqa: E402
from model.errors import UserError  # noqa: E402
from model.training import checkpoint, finish  # noqa: E402
from model.training.config import TrainConfig  # noqa: E402
from model.training.loop import Trainer  # noqa: E402

ROOT = Path(__file__).parents[1]
WORDS = ("--epochs", "3", "--batch", "200", "--threads", "1")
CONFIG = TrainConfig(epochs=3, batch=200, threads=1)

# Runs model.train as on a disk with room for files of 100 kB.
FULL_DISK = """
import resource, signal, sys
from model import train
from model.errors import run_command
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
run_command(lambda: train.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("whole")
    assert train.main([*WORDS, "--out", str(out)]) == 0
    return out


def same_network(one: Path, other: Path) -> bool:
    return (one / "digits.safetensors").read_bytes() == (other / "digits.safetensors").read_bytes()


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_full_disk_leaves_the_checkpoint_before(whole, tmp_path, monkeypatch, capfd):
    out = ["--out", str(tmp_path)]
    steps = []

    def stop_once(self):
        steps.append(1)
        return len(steps) == 9

    with monkeypatch.context() as patch:
        patch.setattr(train._Stop, "asked", stop_once)
        assert train.main([*WORDS, *out]) == 130
    good = (tmp_path / "checkpoint.pt").read_bytes()
    assert len(good) > 200_000
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *WORDS, *out, "--resume"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert re.fullmatch("error: .*checkpoint.pt: cannot be written: .*make room.*--resume", line)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "metrics.jsonl"}
    assert train.main([*WORDS, *out, "--resume"]) == 0
    assert same_network(tmp_path, whole)


class TestCtrlC:
    def test_while_a_checkpoint_is_written(self, whole, tmp_path, monkeypatch):
        out = ["--out", str(tmp_path)]
        real = checkpoint.torch.save

        def save(*arguments):
            press_ctrl_c()
            real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.torch, "save", save)
            # The first press asks for a stop; the next, as it writes that, stops at once.
            with pytest.raises(KeyboardInterrupt):
                train.main([*WORDS, *out])
        options, state = checkpoint.load(tmp_path)
        assert CONFIG.difference(options) is None and state["epoch"] == 1
        assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "metrics.jsonl"}
        assert train.main([*WORDS, *out, "--resume"]) == 0
        assert same_network(tmp_path, whole)

    @pytest.mark.parametrize("place", ["export", "verify", "save", "write_json"])
    def test_at_the_end(self, whole, tmp_path, monkeypatch, place):
        """--resume then only repeats the end."""
        out = ["--out", str(tmp_path)]

        def interrupted(*_, **__):
            press_ctrl_c()

        with monkeypatch.context() as patch:
            owner, name = {
                "export": (finish.export, "export"),
                "verify": (finish.verify, "compare"),
                "save": (finish, "save"),
                "write_json": (finish, "write_json"),
            }[place]
            patch.setattr(owner, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                train.main([*WORDS, *out])
        assert not (tmp_path / "metrics.json").exists()
        assert train.main([*WORDS, *out, "--resume"]) == 0
        assert same_network(tmp_path, whole)

    def test_while_loading(self, tmp_path, monkeypatch):
        monkeypatch.setattr(datasets, "load", lambda *_: press_ctrl_c())
        with pytest.raises(KeyboardInterrupt):
            train.main([*WORDS, "--out", str(tmp_path / "out")])
        assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_network_with_the_same_options(tmp_path):
    """As when the network that --net names was changed in the meantime."""
    config = CONFIG
    torch.manual_seed(0)
    parts = [datasets.load("digits", split=split) for split in datasets.SPLITS]
    net = torch.nn.Sequential()
    trained = train_state(TrainConfig(epochs=3, batch=200, threads=1, net="digits_residual"), parts)
    for state in (trained, {"net": net.state_dict()}, {}):
        checkpoint.write(tmp_path, config, state)
        with pytest.raises(UserError, match="of another network than --net digits") as caught:
            train.main([*WORDS, "--out", str(tmp_path), "--resume"])
        assert "\n" not in str(caught.value)


def train_state(config: TrainConfig, parts: list) -> dict:
    from model.training.network import build_net

    return Trainer(config, build_net(config), *parts).state()


@pytest.fixture(scope="module")
def mnist_folder(tmp_path_factory) -> Path:
    """MNIST's four files in their true sizes, all black."""
    folder = tmp_path_factory.mktemp("data") / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for stem, count in (("train", 60000), ("t10k", 10000)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
            path = folder / f"{stem}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(head + bytes(int(np.prod(shape))), 1))
    return folder.parents[1]


@pytest.mark.parametrize(
    "name", [f"{s}-{k}-ubyte.gz" for s in ("train", "t10k") for k in ("images-idx3", "labels-idx1")]
)
def test_a_data_folder_with_a_file_missing_or_cut_short(name, mnist_folder, tmp_path):
    words = ["--dataset", "mnist", "--data", str(mnist_folder), "--out", str(tmp_path / "out")]
    path = mnist_folder / "MNIST" / "raw" / name
    content = path.read_bytes()
    for damaged, said in ((None, "is missing"), (content[: len(content) // 2], "is damaged")):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        try:
            with pytest.raises(UserError, match=f"mnist: {name} {said}.*get it from") as caught:
                train.main(words)
        finally:
            path.write_bytes(content)
        assert caught.value.exit_status == 2 and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
