"""Readers of the data sets: official formats, damage, and pickles that want to run something."""

import dataclasses
import gzip
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model import dataset_files, datasets
from model.errors import UserError

ROOT = Path(datasets.__file__).parent.parent


def idx(array: np.ndarray) -> bytes:
    """An idx file, written independently of the reader."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def small_mnist(monkeypatch, tmp_path):
    """A folder with a made-up MNIST of 6 and 4 images, packed; and its arrays."""
    facts = datasets.source("mnist")
    small = datasets.Source(facts.page, facts.image, (6, 4), facts.classes, facts.folder)
    monkeypatch.setitem(datasets._SOURCES, "mnist", small)
    rng = np.random.default_rng(5)
    arrays = {}
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for stem, count in (("train", 6), ("t10k", 4)):
        arrays[stem] = rng.integers(0, 256, (count, 28, 28)), rng.integers(0, 10, count)
        for kind, array in zip(("images-idx3", "labels-idx1"), arrays[stem], strict=True):
            packed = gzip.compress(idx(array))
            (folder / f"{stem}-{kind}-ubyte.gz").write_bytes(packed)
    return tmp_path, arrays


def test_digits_split_is_fixed_and_stratified():
    train, test = (datasets.load("digits", split=s) for s in datasets.SPLITS)
    assert train.images.shape == (1433, 1, 8, 8) and test.images.shape == (364, 1, 8, 8)
    assert test.images.dtype == np.uint8 and test.labels.dtype == np.int64
    assert np.bincount(test.labels).tolist() == [36, 37, 36, 37, 37, 37, 37, 36, 35, 36]
    # The first ten images of the file are 0 to 9, each the first of its class.
    assert test.labels[:10].tolist() == list(range(10))
    assert sorted(set(np.unique(train.images))) == [(255 * v + 8) // 16 for v in range(17)]
    assert len(test.classes) == 10
    together = {image.tobytes() for image in train.images}
    assert sum(image.tobytes() in together for image in test.images) == 0


def test_digits_need_no_folder():
    again = datasets.load("digits", "/nonexistent", "test")
    assert np.array_equal(again.images, datasets.load("digits").images)


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_idx_files_packed_or_not_nested_or_not(small_mnist, unpacked, nested):
    folder, arrays = small_mnist
    raw = folder / "MNIST" / "raw"
    if unpacked:
        for path in list(raw.iterdir()):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    for split, stem in zip(datasets.SPLITS, ("train", "t10k"), strict=True):
        data = datasets.load("mnist", folder if nested else raw, split)
        assert np.array_equal(data.images[:, 0], arrays[stem][0])
        assert np.array_equal(data.labels, arrays[stem][1])


def test_missing_file_names_file_page_and_place(small_mnist):
    folder, _ = small_mnist
    (folder / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError) as caught:
        datasets.load("mnist", folder, "test")
    text = str(caught.value)
    for part in ("mnist", "t10k-labels-idx1-ubyte.gz is missing", "yann.lecun.com", "MNIST/raw"):
        assert part in text
    assert "\n" not in text


@pytest.mark.parametrize("name", [n for n in datasets.NAMES if n != "digits"])
def test_empty_folder_and_no_folder(name, tmp_path):
    page = datasets.source(name).page
    for folder in (None, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"(?s)^(?!.*\n)") as caught:
            datasets.load(name, folder, "train")
        assert page in str(caught.value)


def test_damaged_idx_files(small_mnist, seed):
    folder, _ = small_mnist
    rng = np.random.default_rng(seed)
    path = folder / "MNIST/raw/t10k-images-idx3-ubyte.gz"
    plain = gzip.decompress(path.read_bytes())
    packed = path.read_bytes()
    damaged = [b"", b"\x1f\x8b", packed[:-9], packed[: len(packed) // 2], plain]
    damaged += [gzip.compress(plain[:-1]), gzip.compress(plain + b"x"), gzip.compress(plain[:7])]
    damaged += [gzip.compress(bytes([0, 0, 13]) + plain[3:]), gzip.compress(idx(np.zeros((4, 28))))]
    damaged += [gzip.compress(idx(np.zeros((5, 28, 28))))]
    damaged += [packed[: (at := rng.integers(20, len(packed)))] + packed[at + 1 :]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UserError, match="t10k-images-idx3-ubyte"):
            datasets.load("mnist", folder, "test")


def test_label_that_is_no_class(small_mnist):
    folder, _ = small_mnist
    path = folder / "MNIST/raw/t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx(np.array([0, 1, 10, 3]))))
    with pytest.raises(UserError, match="label"):
        datasets.load("mnist", folder, "test")


@pytest.fixture
def small_cifar(monkeypatch, tmp_path):
    """A folder with a made-up CIFAR-10 of 5 x 3 and 3 images; and its arrays."""
    facts = datasets.source("cifar10")
    small = datasets.Source(facts.page, facts.image, (15, 3), facts.classes, facts.folder)
    monkeypatch.setitem(datasets._SOURCES, "cifar10", small)
    rng = np.random.default_rng(6)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    arrays = {}
    for name in [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]:
        images = rng.integers(0, 256, (3, 3072)).astype(np.uint8)
        labels = rng.integers(0, 10, 3).tolist()
        arrays[name] = images, labels
        content = {b"data": images, b"labels": labels, b"batch_label": b"made up"}
        (folder / name).write_bytes(pickle.dumps(content, protocol=4))
    return tmp_path, arrays


def test_cifar_python_and_binary_versions(small_cifar):
    folder, arrays = small_cifar
    data = datasets.load("cifar10", folder, "train")
    assert data.images.shape == (15, 3, 32, 32)
    assert np.array_equal(data.images[3].ravel(), arrays["data_batch_2"][0][0])
    binary = folder / "binary"
    binary.mkdir()
    for name, (images, labels) in arrays.items():
        rows = np.concatenate([np.array(labels, np.uint8)[:, None], images], axis=1)
        (binary / f"{name}.bin").write_bytes(rows.tobytes())
    for split in datasets.SPLITS:
        same = datasets.load("cifar10", binary, split)
        expected = datasets.load("cifar10", folder, split)
        assert np.array_equal(same.images, expected.images)
        assert np.array_equal(same.labels, expected.labels)
    (binary / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(UserError, match=r"test_batch\.bin is damaged"):
        datasets.load("cifar10", binary, "test")


@pytest.fixture
def small_cifar100(monkeypatch, tmp_path):
    """A folder with a made-up CIFAR-100 of 4 and 3 images, binary version; and its arrays."""
    facts = datasets.source("cifar100")
    monkeypatch.setitem(datasets._SOURCES, "cifar100", dataclasses.replace(facts, sizes=(4, 3)))
    rng = np.random.default_rng(7)
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    arrays = {}
    for split, count in (("train", 4), ("test", 3)):
        images = rng.integers(0, 256, (count, 3072)).astype(np.uint8)
        coarse, fine = rng.integers(0, 20, count), rng.integers(20, 100, count)
        arrays[split] = images, coarse, fine
        rows = np.column_stack([coarse, fine, images]).astype(np.uint8)
        (folder / f"{split}.bin").write_bytes(rows.tobytes())
    return tmp_path, arrays


def test_cifar100_binary_and_python_versions(small_cifar100):
    folder, arrays = small_cifar100
    python = folder / "other" / "cifar-100-python"
    python.mkdir(parents=True)
    for split, (images, _, fine) in arrays.items():
        content = {b"data": images, b"fine_labels": fine.tolist(), b"coarse_labels": [19]}
        (python / split).write_bytes(pickle.dumps(content, protocol=4))
        for where in (folder, folder / "cifar-100-binary", folder / "other", python):
            if where == python:
                (python / "meta").write_bytes(b"")
            data = datasets.load("cifar100", where, split)
            assert np.array_equal(data.images.reshape(len(fine), -1), images)
            assert data.labels.tolist() == fine.tolist() and len(data.classes) == 100
    assert data.classes[0] == "apple" and data.classes[99] == "worm"


def test_cifar100_missing_and_damaged(small_cifar100):
    folder, arrays = small_cifar100
    path = folder / "cifar-100-binary" / "test.bin"
    good = path.read_bytes()
    bad = bytearray(good)
    bad[1] = 100
    for content, named in (
        (good[:-1], r"test\.bin is damaged"), (bytes(bad), "a label is not 0 to 99"),
        (None, r"test\.bin is missing; get it from \S+kriz/cifar.html .*cifar-100-binary"),
    ):  # fmt: skip
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(UserError, match=named):
            datasets.load("cifar100", folder, "test")


class Evil:
    """Unpickled naively, this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_run_nothing(small_cifar, tmp_path):
    folder, _ = small_cifar
    mark = tmp_path / "mark"
    path = folder / "cifar-10-batches-py" / "test_batch"
    for value in (Evil(mark), {b"data": Evil(mark), b"labels": [1]}):
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(UserError, match="test_batch is damaged"):
            datasets.load("cifar10", folder, "test")
    assert not mark.exists()


def test_damaged_pickles(small_cifar, seed):
    folder, arrays = small_cifar
    rng = np.random.default_rng(seed)
    path = folder / "cifar-10-batches-py" / "test_batch"
    good = path.read_bytes()
    images, labels = arrays["test_batch"]
    damaged = [b"", good[:-1], good[: len(good) // 2], pickle.dumps([1, 2]), pickle.dumps({})]
    damaged += [pickle.dumps({b"data": images[:2], b"labels": labels})]
    damaged += [pickle.dumps({b"data": images.astype(np.int64), b"labels": labels})]
    damaged += [pickle.dumps({b"data": images, b"labels": [1, 2, 300]})]
    damaged += [pickle.dumps({b"data": images, b"labels": [1, 2, -1]})]
    damaged += [pickle.dumps({b"data": images, b"labels": "abc"})]
    for _ in range(50):
        damaged.append(good[: rng.integers(1, len(good))])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UserError, match="test_batch"):
            datasets.load("cifar10", folder, "test")


def test_unknown_name_and_split():
    with pytest.raises(UserError, match="digits, mnist, .*, cifar10, cifar100, imagenet"):
        datasets.load("svhn")
    with pytest.raises(UserError, match="imagenet is a tree of pictures: only .*model.train"):
        datasets.load("imagenet")
    with pytest.raises(UserError, match="train, test"):
        datasets.load("digits", split="validation")


def test_reader_needs_the_right_number_of_dimensions(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(idx(np.zeros((2, 3))))
    assert dataset_files.read_idx(path, (2, 3)).shape == (2, 3)
    with pytest.raises(dataset_files.FileError, match="not an idx file"):
        dataset_files.read_idx(path, (6,))


def test_only_training_imports_torch():
    """Who simulates or builds needs none of it; nor does the training command's own checking."""
    names = "bits codebooks cost datasets errors format golden nets shipped train training.config"
    code = "import sys; " + "; ".join(f"import model.{name}" for name in names.split())
    code += "; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.needs_data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_the_real_files(name, data_dir):
    for split, count in zip(datasets.SPLITS, datasets.source(name).sizes, strict=True):
        data = datasets.load(name, data_dir, split)
        assert data.images.shape == (count, *datasets.source(name).image)
        assert set(np.unique(data.labels)) == set(range(len(data.classes)))
