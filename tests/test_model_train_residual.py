"""The training command on residual networks: CIFAR-10's files to an exported network."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model import datasets, format, golden, train  # noqa: E402
from model.errors import UserError  # noqa: E402

DIGITS = ("--net", "digits_residual", "--threads", "1")


@pytest.fixture
def tiny_cifar(monkeypatch, tmp_path, seed):
    """A folder with a made-up CIFAR-10 of 5 x 8 and 6 images in the official files."""
    small = replace(datasets.source("cifar10"), sizes=(40, 6))
    monkeypatch.setitem(datasets._SOURCES, "cifar10", small)
    rng = np.random.default_rng(seed)
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, count in [*((f"data_batch_{n}", 8) for n in range(1, 6)), ("test_batch", 6)]:
        images = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        batch = {b"data": images, b"labels": rng.integers(0, 10, count).tolist()}
        (folder / name).write_bytes(pickle.dumps(batch))
    return folder.parent


@pytest.mark.parametrize("more", [(), ("--shifts", "--padding", "plus", "--bits", "0.33")])
def test_resnet20_on_files_of_cifar10(tiny_cifar, tmp_path, more, capsys):
    out = tmp_path / "run"
    words = ["--net", "resnet20", "--data", str(tiny_cifar), "--epochs", "2", "--batch", "20"]
    assert train.main([*words, "--threads", "1", "--out", str(out), *more]) == 0
    assert "streams of" in capsys.readouterr().out
    network = format.load(out / "cifar10.safetensors")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["net"] == "resnet20" and metrics["dataset"] == "cifar10"
    assert len(metrics["streams"]) == 1 + 18 + 2
    assert all(2 <= stream["bits"] <= 16 for stream in metrics["streams"])
    if not more:
        assert metrics["stored_bits"] == 5 * (6 * 256 + 512 + 5 * 1024 + 2048 + 5 * 4096)
    assert {conv.padding for conv in network.convs if conv.kind == "conv3x3"} == {
        "plus" if more else "zero"
    }
    assert all((conv.stream.prelu is not None) == bool(more) for conv in network.convs
               if conv.kind == "conv3x3")  # fmt: skip
    test = datasets.load("cifar10", tiny_cifar)
    classes = golden.classify(network, test.images)
    assert (classes == test.labels).mean() == metrics["test_accuracy"]


def test_a_resumed_run_has_the_same_grids(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    words = [*DIGITS, "--epochs", "3", "--batch", "300", "--out"]
    assert train.main([*words, str(whole)]) == 0

    class Interrupted:
        """Asks for a stop in the middle of the second epoch, after the streams got their grids."""

        def __init__(self):
            self.left = 7

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def asked(self):
            self.left -= 1
            return self.left < 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_Stop", Interrupted)
        assert train.main([*words, str(parts)]) == 130
    assert train.main([*words, str(parts), "--resume"]) == 0
    one, other = (folder / "digits.safetensors" for folder in (whole, parts))
    assert one.read_bytes() == other.read_bytes()


def test_another_network_is_not_resumed(tmp_path):
    words = [*DIGITS, "--epochs", "1", "--batch", "700", "--out", str(tmp_path)]
    assert train.main(words) == 0
    with pytest.raises(UserError, match="--shifts False instead of True"):
        train.main([*words, "--shifts", "--resume"])


@pytest.mark.slow
@pytest.mark.parametrize("shifts", ["--shifts", "--no-shifts"])
def test_a_small_residual_network_learns_the_digits(shifts, tmp_path):
    words = [*DIGITS, "--epochs", "15", "--batch", "32", shifts, "--out", str(tmp_path)]
    assert train.main(words) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.95
    assert metrics["disagreements"] == 0
    assert max(stream["saturated"] for stream in metrics["streams"]) < 1e-3
