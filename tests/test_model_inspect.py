"""The pictures of a network: the figures in them, which are drawn, and what is said instead."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from model import bits
from model.errors import UserError
from model.format import save
from model.inspect import __main__ as command
from model.inspect.curves import moved
from model.inspect.facts import distances, entropy, layer_facts
from model.inspect.run import read_log
from model.shipped import load_model
from model.training.files import CHECKPOINT, LINES
from sim.random_graph import GraphBuilder
from sim.synthetic import random_network

LINE = {"epoch": 1, "loss": 2.0, "train_accuracy": 0.5, "test_accuracy": 0.25}


def inspect(file, out: Path, capsys) -> tuple[set[str], str]:
    """Names of the pictures that there are then, each of them looked at, and what was printed."""
    command.main([str(file), "--out", str(out)])
    for path in out.glob("*.png"):
        pixels = imread(path)
        # A column wide, on white, with something on it.
        assert 1500 < pixels.shape[1] < 1800, path
        assert (pixels[:2, :, :3] == 1).all() and pixels[..., :3].min() < 0.3, path
    return {path.name for path in out.glob("*.png")}, capsys.readouterr().out


def test_entropy():
    assert entropy(np.array([5, 0, 0])) == 0
    assert entropy(np.array([3, 3, 3, 3])) == pytest.approx(2)
    assert entropy(np.array([1, 1, 2, 0])) == pytest.approx(1.5)


def test_distances_by_counting_taps(seed):
    numbers = np.random.default_rng(seed).choice(bits.KERNELS, 20, replace=False)
    apart = distances(numbers.astype(np.uint16))
    for a, row in zip(numbers, apart, strict=True):
        for b, found in zip(numbers, row, strict=True):
            assert found == sum(bits.kernel_signs(a) != bits.kernel_signs(b))


@pytest.mark.parametrize(("tau", "antipodal"), [(3, True), (5, False), (6, True), (9, False)])
def test_facts_of_a_layer(tau, antipodal, seed):
    network = random_network(seed, channels=(24,), pools=("none",), tau=tau, antipodal=antipodal)
    (conv,), (layer,) = network.convs, layer_facts(network)
    kernels = conv.kernels.reshape(-1).tolist()
    for number, uses, negated in zip(layer.numbers, layer.uses, layer.negated, strict=True):
        assert uses == kernels.count(number)
        assert negated == (kernels.count(511 - number) if antipodal else 0)
    assert (np.diff(layer.total) <= 0).all()
    assert layer.codewords.sum() == layer.count == conv.indices.size
    assert sorted(layer.every) == sorted(conv.codebook)
    assert layer.unused == (1 << tau) - len(set(kernels))


def test_shipped_networks_by_name(tmp_path, capsys):
    for name in ("digits", "mnist"):
        found, said = inspect(name, tmp_path / name, capsys)
        assert found == {"kernels.png", "use.png", "distances.png", "entropy.png"}
        assert "accuracy.png: there is no training log" in said
        assert "latent.png: there is no checkpoint" in said
        assert all(conv.name in said for conv in load_model(name).convs)


def test_layers_of_every_kind_and_pictures_of_another_network(tmp_path, capsys, seed):
    graph = GraphBuilder(seed, (3, 6, 6))
    graph.conv(7, tau=9)
    graph.conv(1, tau=3, antipodal=False)
    graph.pointwise(8, weight_bits=2)
    graph.conv(16, tau=6)
    save(graph.head(), tmp_path / "mixed.safetensors")
    out = tmp_path / "out"
    out.mkdir()
    (out / "kernels-2.png").write_text("of an earlier network")
    (out / "latent.png").write_text("of an earlier network")
    (out / "mine.txt").write_text("kept")
    found, said = inspect(tmp_path / "mixed.safetensors", out, capsys)
    assert found == {"kernels.png", "use.png", "distances.png", "entropy.png"}
    assert "1x1 layers, which have no codebook: pointwise2" in said
    assert "distances.png of layers with all 512 kernels: conv0" in said
    assert (out / "mine.txt").exists()


def test_network_of_1x1_layers_alone(tmp_path, capsys, seed):
    graph = GraphBuilder(seed, (1, 4, 4))
    graph.pointwise(8)
    save(graph.head(), tmp_path / "points.safetensors")
    found, said = inspect(tmp_path / "points.safetensors", tmp_path / "out", capsys)
    assert not found and "no codebook: pointwise0" in said


def test_many_layers_take_several_pages(tmp_path, capsys, seed):
    network = random_network(
        seed, image=(1, 4, 4), channels=(8,) * 9, pools=("none",) * 9, tau=4, antipodal=False
    )
    save(network, tmp_path / "deep.safetensors")
    found, _ = inspect(tmp_path / "deep.safetensors", tmp_path / "out", capsys)
    assert {"kernels-1.png", "kernels-2.png"} < found and "kernels.png" not in found


def test_moved():
    assert moved([1, 2, 3, 4], [4, 3, 2, 9], antipodal=False) == 0.25
    assert moved([1, 2], [2, 1], antipodal=False) == 0
    # A kernel and its negation are one pair.
    assert moved([1, 2], [510, 509], antipodal=True) == 0
    assert moved([1, 2], [510, 509], antipodal=False) == 1


def test_log_of_a_run(tmp_path, capsys, seed):
    network = random_network(seed)
    save(network, tmp_path / "net.safetensors")
    lines = [LINE | {"epoch": n} for n in (1, 2, 3)]
    (tmp_path / LINES).write_text("\n".join(map(json.dumps, lines)))
    found, said = inspect(tmp_path / "net.safetensors", tmp_path / "out", capsys)
    assert "accuracy.png" in found and "changes.png: the training log has no" in said
    for line, numbers in zip(lines, ([1, 2], [1, 3], [4, 3]), strict=True):
        line["codebooks"] = {"conv1": numbers, "conv2": [7, 8]}
    (tmp_path / "net.metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found, _ = inspect(tmp_path / "net.safetensors", tmp_path / "out", capsys)
    assert "changes.png" in found


@pytest.mark.parametrize(
    "line",
    ['{"epoch": 1', "[]", '{"epoch": 1}', json.dumps(LINE | {"loss": "low"}),
     json.dumps(LINE | {"codebooks": [1]}), json.dumps(LINE | {"codebooks": {"a": ["b"]}})],
)  # fmt: skip
def test_damaged_log_is_named_by_line(tmp_path, line):
    path = tmp_path / LINES
    path.write_text(json.dumps(LINE) + "\n" + line + "\n")
    with pytest.raises(UserError, match="line 2 is not an epoch's figures"):
        read_log(path)


def test_run_of_a_learnt_codebook_has_everything(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    from model import train

    torch.set_num_threads(1)
    run = tmp_path / "run"
    options = ["--codebook", "refined", "--epochs", "2", "--batch", "500", "--threads", "1"]
    assert train.main([*options, "--out", str(run)]) == 0
    found, said = inspect(run / "digits.safetensors", tmp_path / "out", capsys)
    assert {"accuracy.png", "changes.png", "latent.png"} < found and "left out" not in said
    (epoch, _) = read_log(run / LINES)
    assert {name: len(book) for name, book in epoch["codebooks"].items()} == {
        "conv1": 32, "conv2": 32, "conv3": 32,
    }  # fmt: skip
    # A checkpoint of other layers is none of this network; one that is none is refused.
    torch.save({"state": {"net": {}}}, run / CHECKPOINT)
    found, said = inspect(run / "digits.safetensors", tmp_path / "out", capsys)
    assert "latent.png" not in found and "no checkpoint of this network" in said
    (run / CHECKPOINT).write_bytes(b"PK not at all")
    with pytest.raises(UserError, match=r"checkpoint\.pt: "):
        command.main([str(run / "digits.safetensors"), "--out", str(tmp_path / "out")])


def test_no_such_network(tmp_path):
    with pytest.raises(UserError, match="neither a file nor a shipped network"):
        command.main(["nowhere", "--out", str(tmp_path)])
