"""From 1 bit to sub-bit: codebooks by frequency, nearest indices, and files nobody should trust."""

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model import bits, codebooks, datasets, golden
from model.convert import __main__ as command
from model.convert.kernels import convert_layer
from model.convert.source import read_source
from model.errors import UserError
from model.format import load, save
from model.training.files import CHECKPOINT
from sim.random_graph import GraphBuilder
from sim.synthetic import random_images, random_network

torch = pytest.importorskip("torch")

torch.set_num_threads(1)  # the tensors are small, and workers run side by side


def convert(*arguments) -> None:
    command.main([str(word) for word in arguments])


@pytest.mark.parametrize("tau", [3, 4, 5, 6])
@pytest.mark.parametrize("antipodal", [False, True])
def test_frequent_kernels(tau, antipodal, seed):
    rng = np.random.default_rng(seed)
    numbers = (512 * rng.random((40, 30)) ** 3).astype(np.uint16)  # low numbers are likelier
    book = codebooks.frequent(numbers, tau, antipodal)
    assert book.dtype == np.uint16 and len(set(book.tolist())) == 1 << tau
    assert bits.is_antipodal(book) or not antipodal
    counts = {n: int((numbers == n).sum()) for n in range(512)}
    if antipodal:
        counts = {n: count + counts[511 - n] for n, count in counts.items()}
    least = min(counts[int(n)] for n in book)
    assert least >= max(count for n, count in counts.items() if n not in book)


def test_fewer_kernels_than_codewords():
    book = codebooks.frequent(np.full((3, 3), 77), 4, False)
    assert 77 in book and len(set(book.tolist())) == 16
    book = codebooks.frequent(np.full((3, 3), 77), 4, True)
    assert 77 in book and bits.is_antipodal(book)


@pytest.mark.parametrize("antipodal", [False, True])
def test_a_layer_by_brute_force(antipodal, seed):
    weights = np.random.default_rng(seed).normal(size=(7, 11, 3, 3))
    layer = convert_layer("one", weights, 4, antipodal)
    words = bits.kernel_signs(layer.codebook).astype(float)
    kept = distance = 0
    for weight, index in zip(weights.reshape(-1, 9), layer.indices.reshape(-1), strict=True):
        gaps = [((word - weight) ** 2).sum() for word in words]
        assert gaps[index] == min(gaps)
        apart = int((words[index] != np.where(weight >= 0, 1, -1)).sum())
        kept, distance = kept + (apart == 0) / 77, distance + apart / 77
    assert layer.kept == pytest.approx(kept) and layer.distance == pytest.approx(distance)


def test_few_kernels_are_kept_as_they_are(seed):
    rng = np.random.default_rng(seed)
    numbers = rng.choice(rng.choice(512, 8, replace=False), (20, 30))
    weights = bits.kernel_signs(numbers).reshape(20, 30, 3, 3)
    layer = convert_layer("one", weights, 3, False)
    assert layer.kept == 1 and layer.distance == 0
    assert np.array_equal(layer.codebook[layer.indices], numbers)


def test_exported_network(tmp_path, capsys, seed):
    graph = GraphBuilder(seed, (1, 6, 6))
    graph.conv(8, tau=9, stride=2)
    graph.conv(8, tau=4)
    graph.pointwise(8)
    graph.conv(8, tau=9, stream=10, padding="plus")
    before = graph.head()
    save(before, tmp_path / "b.safetensors")
    out = tmp_path / "out"
    convert(tmp_path / "b.safetensors", "--bits", "0.67", "--antipodal", "--out", out)
    assert "accuracy is not measured" in capsys.readouterr().out
    after = load(out / f"{before.name}.safetensors")
    assert [c.tau for c in (*after.convs[:2], after.convs[3])] == [6, 4, 6]
    assert after.convs[0].antipodal and after.convs[3].antipodal
    assert np.array_equal(after.convs[1].kernels, before.convs[1].kernels)
    assert np.array_equal(after.convs[3].thresholds, before.convs[3].thresholds)
    golden.classify(after, random_images(seed, after, 2))
    report = json.loads((out / "convert.json").read_text())
    assert [layer["name"] for layer in report["layers"]] == ["conv0", "conv3"]
    assert after.provenance["before"] == before.provenance
    with pytest.raises(UserError, match="has no 1-bit layer"):
        convert(out / f"{before.name}.safetensors", "--out", tmp_path / "again")


@pytest.fixture(scope="module")
def binary_run(tmp_path_factory):
    """A run of model.train at 1 bit: short, yet far from chance."""
    from model import train

    folder = tmp_path_factory.mktemp("binary")
    words = ["--bits", "1", "--epochs", "2", "--batch", "32", "--threads", "1"]
    assert train.main([*words, "--out", str(folder)]) == 0
    return folder


def test_checkpoint_before_after_and_tuned(binary_run, tmp_path, capsys):
    out = tmp_path / "out"
    convert(binary_run, "--antipodal", "--epochs", "1", "--out", out)
    said = capsys.readouterr().out
    report = json.loads((out / "convert.json").read_text())
    network = load(out / "digits.safetensors")
    assert all(conv.tau == 5 and conv.antipodal for conv in network.convs)
    test = datasets.load("digits", None, "test")
    measured = float((golden.classify(network, test.images) == test.labels).mean())
    assert report["accuracy_fine_tuned"] == measured == network.provenance["test_accuracy"]
    trained = json.loads((binary_run / "metrics.json").read_text())
    assert report["accuracy_before"] == trained["test_accuracy"]
    assert report["accuracy_converted"] < report["accuracy_fine_tuned"]
    assert "accuracy fine tuned: " in said and "kernels kept" in said


def test_checkpoint_without_training_has_its_own_nearest_kernels(binary_run, tmp_path):
    convert(binary_run / CHECKPOINT, "--bits", "0.44", "--out", tmp_path)
    network = load(tmp_path / "digits.safetensors")
    state = torch.load(binary_run / CHECKPOINT, weights_only=True)["state"]["net"]
    for conv in network.convs:
        layer = convert_layer("same", state[f"{conv.name}.weight"].numpy(), 4, False)
        assert np.array_equal(layer.codebook[layer.indices], conv.kernels)


def test_the_run_itself_is_left_alone(binary_run, tmp_path):
    with pytest.raises(UserError, match="is where the source lies"):
        convert(binary_run, "--epochs", "1", "--out", binary_run)
    exported = binary_run / "digits.safetensors"
    with pytest.raises(UserError, match=r"--epochs: .* is no checkpoint"):
        convert(exported, "--epochs", "1", "--out", tmp_path)
    with pytest.raises(UserError, match="--layers is for weights alone"):
        convert(exported, "--layers", "conv*", "--out", tmp_path)
    convert(exported, "--out", tmp_path)
    report = json.loads((tmp_path / "convert.json").read_text())
    assert set(report) >= {"accuracy_before", "accuracy_converted"}


def test_weights_of_others(tmp_path, seed, capsys):
    rng = np.random.default_rng(seed)
    weights = {
        "stage.0.conv": rng.normal(size=(6, 5, 3, 3)).astype(np.float32),
        "stage.1.conv": rng.normal(size=(4, 6, 3, 3)).astype(np.float16),
        "point": rng.normal(size=(4, 6, 1, 1)).astype(np.float32),
        "dense": rng.normal(size=(10, 64)).astype(np.float32),
    }
    save_file(weights, tmp_path / "w.safetensors")
    tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
    torch.save({"epoch": 3, "state_dict": tensors}, tmp_path / "w.pt")
    found = []
    for name in ("w.safetensors", "w.pt"):
        convert(tmp_path / name, "--bits", "0.44", "--out", tmp_path / "out")
        found.append(load_file(tmp_path / "out" / "weights.safetensors"))
    assert set(found[0]) == {f"stage.{n}.conv.{w}" for n in (0, 1) for w in ("codebook", "indices")}
    for name in ("stage.0.conv", "stage.1.conv"):
        layer = convert_layer(name, weights[name], 4, False)
        for one in found:
            assert np.array_equal(one[f"{name}.codebook"], layer.codebook)
            assert np.array_equal(one[f"{name}.indices"], layer.indices)
    convert(tmp_path / "w.pt", "--layers", "*.1.*", "--out", tmp_path / "out")
    assert set(load_file(tmp_path / "out" / "weights.safetensors")) == {
        "stage.1.conv.codebook", "stage.1.conv.indices",
    }  # fmt: skip
    capsys.readouterr()
    with pytest.raises(UserError, match="fits none of the 3x3 weights: stage"):
        convert(tmp_path / "w.pt", "--layers", "layer*", "--out", tmp_path / "out")


class Harmful:
    """Loading it by pickle would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_files_that_cannot_be_used(tmp_path, seed):
    good = tmp_path / "good.safetensors"
    save_file({"w": np.ones((2, 2, 3, 3), np.float32)}, good)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(good.read_bytes()[:-10])
    network = tmp_path / "net.safetensors"
    save(random_network(seed, tau=9), network)
    altered = bytearray(network.read_bytes())
    altered[-3] ^= 1
    (tmp_path / "altered.safetensors").write_bytes(altered)
    (tmp_path / "text.pt").write_text("no weights at all")
    (tmp_path / "empty.pt").write_bytes(b"")
    torch.save({"w": torch.ones(3, 3)}, tmp_path / "dense.pt")
    torch.save([torch.ones(2, 2, 3, 3)], tmp_path / "list.pt")
    torch.save({"w": torch.full((2, 2, 3, 3), torch.nan)}, tmp_path / "nan.pt")
    torch.save({"version": 1, "config": {}, "state": {}}, tmp_path / "other.pt")
    trap = tmp_path / "trap"
    torch.save({"w": Harmful(trap)}, tmp_path / "harmful.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Harmful(trap)))
    expected = {
        "cut.safetensors": "damaged or no safetensors file",
        "altered.safetensors": "altered or truncated",
        "text.pt": "damaged",
        "empty.pt": "damaged",
        "dense.pt": "has no weights of 3x3 convolutions",
        "list.pt": "holds no dictionary of weights by name",
        "nan.pt": "w: holds values that are not finite",
        "other.pt": "not a checkpoint of this program's version",
        "harmful.pt": "could execute code",
        "pickle.pt": "damaged, or holds more than tensors",
        "missing.pt": "cannot be read: No such file",
        ".": r"checkpoint\.pt: cannot be read",
    }
    for name, words in expected.items():
        with pytest.raises(UserError, match=words) as caught:
            read_source(tmp_path / name)
        assert "\n" not in str(caught.value), name
    assert not trap.exists()


def test_checkpoint_of_another_kind(tmp_path, binary_run):
    content = torch.load(binary_run / CHECKPOINT, weights_only=True)
    content["config"]["net"] = "cnv"
    content["config"]["dataset"] = "cifar10"
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(UserError, match="its weights are not those of --net cnv"):
        convert(tmp_path / "net.pt", "--out", tmp_path / "out")
    content["config"]["bits"] = "0.56"
    torch.save(content, tmp_path / "bits.pt")
    with pytest.raises(UserError, match=r"trained at 0\.56 bit; only 1-bit"):
        convert(tmp_path / "bits.pt", "--out", tmp_path / "out")


@pytest.mark.parametrize("words", [("--epochs", "-1"), ("--rate", "0"), ("--rate", "nan")])
def test_numbers_out_of_range(words, tmp_path):
    with pytest.raises(UserError, match=words[0]):
        convert(tmp_path / "x.pt", *words)
