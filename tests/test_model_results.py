"""The shipped networks, their metrics, and docs/results.md, which is made from them."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from model import datasets, format, golden, results, ship, shipped
from model.codebooks import tau_of
from model.cost import network_cost, network_shapes
from model.errors import CheckError, UserError

# What each must reach at 0.56 bit.
TARGETS = {"digits": 0.98, "mnist": 0.99, "fashion_mnist": 0.90, "cifar10": 0.69}


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the shipped networks and of the page, to work on."""
    folder = tmp_path / "model" / "shipped_networks"
    shutil.copytree(shipped.FOLDER, folder)
    monkeypatch.setattr(shipped, "FOLDER", folder)
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    return folder


def test_the_page_is_up_to_date():
    assert results.main(["--check"]) == 0
    text = results.PAGE.read_text("utf-8")
    for name in shipped.names():
        metrics = results.read_metrics(shipped.FOLDER / f"{name}.metrics.json")
        assert f"`{name}`" in text and metrics["command"] in text
        assert f"{100 * metrics['test_accuracy']:.2f} %" in text


@pytest.mark.parametrize("name", shipped.names())
def test_metrics_are_those_of_the_file(name):
    network = shipped.load_model(name)
    metrics = results.read_metrics(shipped.FOLDER / f"{name}.metrics.json")
    assert metrics["file_bytes"] == shipped.resolve(name).stat().st_size
    for key in ("command", "dataset", "bits", "net", "seed", "test_accuracy"):
        assert network.provenance[key] == metrics[key], key
    assert (metrics["stored_bits"], metrics["bit_ops"]) == network_cost(network)
    assert metrics["kernel_applications"] == sum(s.applications for s in network_shapes(network))
    assert metrics["bits"] == "0.56"
    taus = {conv.tau for conv in network.convs if conv.kind == "conv3x3"}
    assert taus == {tau_of("0.56")}
    assert metrics["test_accuracy"] >= TARGETS.get(name, 0)
    # At most 0.2 % of the classes and 0.1 points of accuracy lie between floats and integers.
    assert metrics["disagreements"] <= 0.002 * metrics["test_images"]
    assert abs(metrics["test_accuracy"] - metrics["float_accuracy"]) <= 0.001


def test_together_they_are_small():
    names = shipped.names()
    assert "digits" in names and "mnist" in names
    assert sum(shipped.resolve(name).stat().st_size for name in names) < 2_000_000


@pytest.mark.needs_data
@pytest.mark.parametrize("name", shipped.names())
def test_accuracy_on_the_first_thousand_images(name, data_dir):
    """Of the integer network; the metrics are of all images."""
    network = shipped.load_model(name)
    metrics = results.read_metrics(shipped.FOLDER / f"{name}.metrics.json")
    data = datasets.load(metrics["dataset"], data_dir)
    classes = golden.classify(network, data.images[:1000])
    found = float(np.mean(classes == data.labels[:1000]))
    # Five standard deviations of a thousand draws.
    expected = metrics["test_accuracy"]
    assert abs(found - expected) < 5 * (expected * (1 - expected) / 1000) ** 0.5


def test_a_page_that_is_out_of_date_is_told(copied):
    with pytest.raises(CheckError, match="is not what python -m model.results makes"):
        results.main(["--check"])
    assert results.main([]) == 0 == results.main(["--check"])
    path = copied / "digits.metrics.json"
    path.write_text(path.read_text().replace('"epochs": 60', '"epochs": 61', 1))
    with pytest.raises(CheckError, match="run it"):
        results.main(["--check"])


def test_damaged_metrics_are_named(copied):
    path = copied / "digits.metrics.json"
    for text, named in (("{", "not JSON"), ("[]", "command"), ('{"command": "x"}', "dataset")):
        path.write_text(text)
        with pytest.raises(UserError, match=f"digits.metrics.json.*{named}"):
            results.main([])
    path.unlink()
    with pytest.raises(UserError, match="digits.metrics.json: cannot be read"):
        results.main([])


class TestShip:
    @pytest.fixture
    def run(self, copied, tmp_path):
        """The folder of a finished run: CIFAR-10's name on a copy of the digits."""
        for old in copied.glob("cifar10.*"):  # of the copies: the name is to be new
            old.unlink()
        folder = tmp_path / "run"
        folder.mkdir()
        metrics = json.loads((copied / "digits.metrics.json").read_text())
        metrics |= {"dataset": "cifar10", "export": str(folder / "cifar10.safetensors")}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        network = shipped.load_model("digits")
        provenance = network.provenance | {"dataset": "cifar10"}
        path = folder / "cifar10.safetensors"
        format.save(dataclasses.replace(network, provenance=provenance), path)
        return folder

    def test_a_new_network_and_its_page(self, run, copied):
        assert ship.main([str(run)]) == 0
        assert "cifar10" in shipped.names()
        same = [p / "cifar10.safetensors" for p in (run, copied)]
        assert same[0].read_bytes() == same[1].read_bytes()
        metrics = results.read_metrics(copied / "cifar10.metrics.json")
        assert metrics["export"] == "model/shipped_networks/cifar10.safetensors"
        assert "`cifar10`" in results.PAGE.read_text()
        assert ship.main([str(run)]) == 0  # as good as the one that ships

    def test_a_worse_one_only_when_told(self, run, copied):
        assert ship.main([str(run)]) == 0
        path = run / "metrics.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"test_accuracy": 0.5}))
        with pytest.raises(UserError, match="98.90 %, this one 50.00 %; --replace"):
            ship.main([str(run)])
        assert ship.main([str(run), "--replace"]) == 0

    def test_what_cannot_ship(self, run, tmp_path, copied):
        with pytest.raises(UserError, match="name the folder of a finished run"):
            ship.main([str(tmp_path / "nowhere")])
        path = run / "metrics.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"command": "another"}))
        with pytest.raises(UserError, match="is not the network that"):
            ship.main([str(run)])
        (run / "cifar10.safetensors").unlink()
        with pytest.raises(UserError, match="cifar10.safetensors"):
            ship.main([str(run)])
        assert "cifar10" not in shipped.names()
