"""The data sets, read in their official formats into plain arrays. Needs numpy only.

``digits`` ships with the package (data/ORIGIN.md says where it is from); the others are read from
a folder that the user names. Whatever is missing or damaged becomes one line that says which
file, from which page, and where to put it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import cifar100
from model.dataset_files import FileError, read_cifar, read_idx
from model.errors import UserError

__all__ = ["NAMES", "SPLITS", "TREES", "Dataset", "Source", "load", "source"]

SPLITS = ("train", "test")
DIGITS_FILE = Path(__file__).parent / "data" / "digits.npz"
DIGITS_LEVELS = 16
# The first of every five images of a class, in file order, is held out: nothing random.
HELD_OUT_EVERY = 5
# Files that show that a folder is the data set's own.
OWN = ("*-ubyte*", "*_batch*", "train.bin", "test.bin", "fine_label_names.txt", "meta")


@dataclass(frozen=True, eq=False)
class Dataset:
    """``images`` uint8 [N, colours, height, width]; ``labels`` int64 [N]; ``classes`` names."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and what its images are.

    ``image`` is (colours, height, width); ``sizes`` images of the train and the test part;
    ``folder`` the customary place of its files below the data folder, and ``other`` that of
    another version of them.
    """

    page: str
    image: tuple[int, int, int]
    sizes: tuple[int, int]
    classes: tuple[str, ...]
    folder: str = ""
    other: str = ""


_TEN = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_CIFAR = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_SOURCES = {
    "digits": Source(
        "https://archive.ics.uci.edu/dataset/80", (1, 8, 8), (1433, 364), _TEN
    ),
    "mnist": Source(
        "http://yann.lecun.com/exdb/mnist", (1, 28, 28), (60000, 10000), _TEN, "MNIST/raw"
    ),
    "fashion-mnist": Source(
        "https://github.com/zalandoresearch/fashion-mnist",
        (1, 28, 28), (60000, 10000), _CLOTHES, "FashionMNIST/raw",
    ),
    "cifar10": Source(
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        (3, 32, 32), (50000, 10000), _CIFAR, "cifar-10-batches-py", "cifar-10-batches-bin",
    ),
    "cifar100": Source(
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        (3, 32, 32), (50000, 10000), cifar100.CLASSES, "cifar-100-binary", "cifar-100-python",
    ),
    # Its classes are the folders that are there.
    "imagenet": Source(
        "https://www.image-net.org/download.php", (3, 224, 224), (1281167, 50000), ()
    ),
}  # fmt: skip
# Trees of pictures, too large to load: `model.folder_images` reads them as they are needed.
TREES = ("imagenet",)
NAMES = tuple(name for name in _SOURCES if name not in TREES)


def source(name: str) -> Source:
    """Facts about a data set; raises UserError for an unknown name."""
    if name not in _SOURCES:
        raise UserError(f"data set {name!r} is not known; known data sets: {', '.join(_SOURCES)}")
    return _SOURCES[name]


def load(name: str, data_dir: str | Path | None = None, split: str = "test") -> Dataset:
    """The ``train`` or ``test`` part of a data set.

    ``data_dir`` holds the official files, in the customary sub-folder (`Source.folder`) or
    directly; it is not looked at for ``digits``. Raises UserError for an unknown name or split,
    and for files that are missing or damaged.
    """
    facts = source(name)
    if name in TREES:
        raise UserError(f"{name} is a tree of pictures: only python -m model.train reads it")
    if split not in SPLITS:
        raise UserError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    if name == "digits":
        images, labels = _digits(split)
    else:
        if data_dir is None:
            raise UserError(
                f"{name}: name the folder that holds its files with --data DIR; "
                f"they come from {facts.page}"
            )
        readers = {"cifar10": _read_cifar10, "cifar100": _read_cifar100}
        reader: Callable = readers.get(name, _read_idx_pair)
        folder = _folder(Path(data_dir), facts)
        try:
            images, labels = reader(folder, split, facts)
        except FileError as problem:
            raise UserError(
                f"{name}: {problem}; get it from {facts.page} and put it into {folder}"
            ) from problem
    # Copies: an array that a file was read into may not be writable.
    return Dataset(name, images.copy(), labels.astype(np.int64), facts.classes)


def _folder(data_dir: Path, facts: Source) -> Path:
    """The folder with the files: the customary sub-folder, else the named folder itself."""
    usual, other = data_dir / facts.folder, data_dir / facts.other
    if facts.other and other.is_dir() and not usual.is_dir():
        return other
    own = any(any(data_dir.glob(form)) for form in OWN)
    return data_dir if own and not usual.is_dir() else usual


def _digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(DIGITS_FILE, allow_pickle=False) as file:
        grey, labels = file["images"], file["labels"]
    images = (255 * grey.astype(np.int64) + DIGITS_LEVELS // 2) // DIGITS_LEVELS
    # rank[i]: how many images of the same class come before image i.
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = labels == label
        rank[mine] = np.arange(mine.sum())
    held_out = rank % HELD_OUT_EVERY == 0
    chosen = held_out if split == "test" else ~held_out
    return images[chosen, None].astype(np.uint8), labels[chosen]


def _read_idx_pair(folder: Path, split: str, facts: Source) -> tuple[np.ndarray, np.ndarray]:
    stem = "train" if split == "train" else "t10k"
    count = facts.sizes[SPLITS.index(split)]
    images = read_idx(folder / f"{stem}-images-idx3-ubyte", (count, *facts.image[1:]))
    labels_path = folder / f"{stem}-labels-idx1-ubyte"
    labels = read_idx(labels_path, (count,))
    _check_labels(labels, facts, labels_path)
    return images[:, None], labels


def _read_cifar10(folder: Path, split: str, facts: Source) -> tuple[np.ndarray, np.ndarray]:
    numbers = [f"data_batch_{n}" for n in range(1, 6)] if split == "train" else ["test_batch"]
    each = facts.sizes[SPLITS.index(split)] // len(numbers)
    parts = []
    for number in numbers:
        images, labels = read_cifar(folder / number, (each, *facts.image))
        _check_labels(labels, facts, folder / number)
        parts.append((images, labels))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _read_cifar100(folder: Path, split: str, facts: Source) -> tuple[np.ndarray, np.ndarray]:
    path = folder / split
    if not any(path.with_name(path.name + end).exists() for end in ("", ".bin")):
        raise FileError(f"{split}.bin is missing")
    shape = (facts.sizes[SPLITS.index(split)], *facts.image)
    # Each image has a coarse label, one of 20, before the fine one.
    images, labels = read_cifar(path, shape, 2, b"fine_labels")
    _check_labels(labels, facts, path)
    return images, labels


def _check_labels(labels: np.ndarray, facts: Source, path: Path) -> None:
    if int(labels.min()) < 0 or int(labels.max()) >= len(facts.classes):
        raise FileError(f"{path.name} is damaged: a label is not 0 to {len(facts.classes) - 1}")
