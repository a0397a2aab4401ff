"""Networks as ONNX graphs: onnxruntime, a stranger to us, gets the golden model's scores."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", exc_type=ImportError)
pytest.importorskip("onnxruntime", exc_type=ImportError)

from graph_networks import NETWORKS  # noqa: E402

from model import bits, datasets, export_onnx, golden  # noqa: E402
from model.errors import CheckError, UserError  # noqa: E402
from model.export_onnx import run_onnx  # noqa: E402
from model.format import save  # noqa: E402
from model.network import Network  # noqa: E402
from model.onnx_graph import onnx_model  # noqa: E402
from model.shipped import load_model  # noqa: E402
from sim.random_graph import GraphBuilder  # noqa: E402
from sim.synthetic import random_images, random_network  # noqa: E402


def require_equal(network: Network, images: np.ndarray) -> None:
    model = onnx_model(network)
    assert {node.domain for node in model.graph.node} == {""}, "an operator that is not standard"
    scores, classes = run_onnx(model.SerializeToString(), images)
    expected = np.concatenate(list(golden.run(network, images)))
    assert scores.dtype == classes.dtype == np.int64
    assert np.array_equal(scores, expected)
    assert np.array_equal(classes, expected.argmax(axis=1))


def test_all_digits():
    network = load_model("digits")
    test = datasets.load("digits", None, "test")
    assert len(test.images) == 364
    require_equal(network, test.images)


CASES = {
    "one pixel": {"image": (1, 1, 1), "pools": ("none", "none")},
    "one row": {"image": (1, 1, 7), "pools": ("none", "none")},
    "single channels": {"levels": 1, "channels": (1, 1)},
    "odd sides, pooled": {"image": (1, 5, 7), "pools": ("max2", "none")},
    "colours": {"image": (3, 4, 4), "levels": 2, "classes": 3},
    "one class": {"classes": 1},
    "tau 3": {"tau": 3, "antipodal": False},
    "mixed tau 9 and 4": {"tau": [9, 4]},
    "stride 2": {"image": (1, 9, 6), "strides": (2, 1)},
    "strides and pooling": {"image": (2, 11, 13), "strides": (2, 2), "pools": ("max2", "none")},
    "thresholds at the ends": {"extreme": 0.7},
}


@pytest.mark.parametrize("case", CASES)
def test_random_stacks(case, seed):
    network = random_network(seed, **CASES[case])
    require_equal(network, random_images(seed, network, 5))


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_networks_of_version_3(make, seed):
    for more in range(3):
        network = make(seed + more)
        require_equal(network, random_images(seed, network, 6))


def test_inexact_sums_are_refused(seed):
    for height, width, fine in ((16, 16, True), (17, 16, False)):
        graph = GraphBuilder(seed, (1, height, width), encoding="binary")
        graph.pointwise(8, weight_bits=8, flatten=True, stream=12)
        graph.layers[0].codes[3] = 255  # the largest weight throughout
        network = graph.head()
        if fine:
            require_equal(network, random_images(seed, network, 3))
            continue
        with pytest.raises(UserError, match="layer pointwise0: its sums may reach 17686800, past"):
            onnx_model(network)


def test_command(tmp_path, capsys):
    out = tmp_path / "new" / "digits.onnx"
    export_onnx.main(["digits", "--dataset", "digits", "--out", str(out)])
    said = capsys.readouterr().out
    assert "on 364 digits test images" in said and "on 64 random images" in said
    onnx.checker.check_model(onnx.load(out), full_check=True)
    with pytest.raises(UserError, match="takes"):
        save(random_network(1, image=(1, 5, 5)), tmp_path / "small.safetensors")
        small = str(tmp_path / "small.safetensors")
        export_onnx.main([small, "--dataset", "digits", "--out", str(out)])


def test_a_difference_is_told(tmp_path, monkeypatch):
    def wrong(blob, images):
        scores, classes = run_onnx(blob, images)
        scores[5, 0] += 1
        return scores, classes

    monkeypatch.setattr(export_onnx, "run_onnx", wrong)
    with pytest.raises(CheckError, match="1 of 64 random images, first on number 5"):
        export_onnx.main(["digits", "--out", str(tmp_path / "digits.onnx")])
    assert not (tmp_path / "digits.onnx").exists()


def test_weights_are_the_kernels(seed):
    network = random_network(seed, channels=(4, 4))
    model = onnx_model(network)
    arrays = [onnx.numpy_helper.to_array(c) for c in model.graph.initializer]
    kernels = [a for a in arrays if a.ndim == 4 and a.shape[2:] == (3, 3)]
    for conv, kernel in zip(network.convs, kernels, strict=True):
        assert np.array_equal(bits.kernel_numbers(kernel), conv.kernels)
