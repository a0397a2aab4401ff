"""ImageNet, or any other pictures, from a tree of folders: one folder a class.

The layout is that of torchvision's ImageFolder, DIR/train/CLASS/*.JPEG and DIR/val/CLASS/*.JPEG;
classes are numbered by their folders' names in order. Pictures are decoded when they are needed,
as uint8 [3, size, size]. Needs numpy and Pillow only.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from model.errors import UserError

__all__ = ["BROKEN", "BrokenImageError", "Tree", "middle_crop", "random_crop", "read_trees"]

# What to do with a file that cannot be decoded.
BROKEN = ("skip", "refuse")
SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
)  # fmt: skip
PARTS = {"train": "train", "test": "val"}
# Training crops cover such a share of a picture, at such a ratio of width to height
# (Szegedy et al. 2015, "Going deeper with convolutions", as torchvision's RandomResizedCrop).
AREA, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
# Test crops are the middle of the picture, this share of its shorter side: 224 of 256.
MIDDLE = 224 / 256


class BrokenImageError(Exception):
    """A file that cannot be decoded; the message names it and says why."""


@dataclass(frozen=True, eq=False)
class Tree:
    """Pictures of one part: ``names`` of the files below ``folder`` (bytes, numpy array [N]: a
    million of them must be cheap to hand to other processes), ``labels`` int64 [N], ``classes``."""

    folder: Path
    names: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def path(self, number: int) -> Path:
        return self.folder / os.fsdecode(bytes(self.names[number]))


def read_trees(data_dir: str | Path | None, page: str) -> tuple[Tree, Tree]:
    """The training and the test part of the pictures in ``data_dir``; ``page`` is where ImageNet
    comes from. Raises UserError for folders that are missing, empty or do not fit each other."""
    if data_dir is None:
        raise UserError(
            "imagenet: name the folder that holds train/CLASS/*.JPEG and val/CLASS/*.JPEG with "
            f"--data DIR; the pictures come from {page}"
        )
    train, test = (_tree(Path(data_dir) / part, page) for part in PARTS.values())
    if train.classes != test.classes:
        odd = min(set(train.classes) ^ set(test.classes))
        there, missing = ("train", "val") if odd in train.classes else ("val", "train")
        raise UserError(f"{data_dir}: class {odd} has pictures in {there}/ and none in {missing}/")
    return train, test


def _tree(folder: Path, page: str) -> Tree:
    if not folder.is_dir():
        raise UserError(
            f"imagenet: there is no folder {folder}: wanted are train/CLASS/*.JPEG and "
            f"val/CLASS/*.JPEG with a folder a class; the pictures come from {page}"
        )
    found: list[tuple[str, list[str]]] = []
    loose = 0
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            if not entry.is_dir():
                loose += entry.name.lower().endswith(SUFFIXES)
                continue
            names = [
                os.path.join(os.path.relpath(where, folder), name)
                for where, _, files in os.walk(entry.path, followlinks=True)
                for name in files
                if name.lower().endswith(SUFFIXES)
            ]
            if names:
                found.append((entry.name, sorted(names)))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}") from error
    if not found:
        hint = f"; its {loose} pictures must lie in a folder for each class" if loose else ""
        raise UserError(f"imagenet: {folder} has no folder with pictures in it{hint}")
    every = [name for _, names in found for name in names]
    labels = np.repeat(np.arange(len(found)), [len(names) for _, names in found])
    names = np.array([os.fsencode(name) for name in every])
    return Tree(folder, names, labels.astype(np.int64), tuple(name for name, _ in found))


def random_crop(path: Path, size: int, flip: bool, rng: np.random.Generator) -> np.ndarray:
    """A random part of a picture for training, uint8 [3, size, size]; mirrored with an even chance
    if ``flip``. Raises BrokenImageError."""
    with _Decoding(path) as image:
        box = _random_box(*image.size, rng)
        mirrored = flip and rng.random() < 0.5
        pixels = _cut(image, box, size)
    return pixels[:, :, ::-1] if mirrored else pixels


def middle_crop(path: Path, size: int) -> np.ndarray:
    """The middle of a picture, for tests, uint8 [3, size, size]. Raises BrokenImageError."""
    with _Decoding(path) as image:
        width, height = image.size
        side = min(width, height) * MIDDLE
        left, top = (width - side) / 2, (height - side) / 2
        return _cut(image, (left, top, left + side, top + side), size)


def _random_box(width: int, height: int, rng: np.random.Generator) -> tuple[float, ...]:
    """(left, top, right, bottom) of a random crop; the largest one in the middle where the picture
    is so long that none is found."""
    for _ in range(TRIES):
        area = width * height * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(*map(math.log, RATIO)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = rng.integers(width - w + 1), rng.integers(height - h + 1)
            return left, top, left + w, top + h
    w, h = min(width, height * RATIO[1]), min(height, width / RATIO[0])
    left, top = (width - w) / 2, (height - h) / 2
    return left, top, left + w, top + h


class _Decoding:
    """An open picture, and every way in which decoding can fail as BrokenImageError."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> Image.Image:
        try:
            self.image = Image.open(self.path)
        except Exception as error:
            raise self._broken(error) from error
        return self.image

    def __exit__(self, kind, error, trace) -> None:
        self.image.close()
        # A damaged file makes Pillow raise whatever its decoder stumbles over.
        if isinstance(error, Exception):
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> BrokenImageError:
        reason = "not a picture" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        return BrokenImageError(f"{self.path}: cannot be decoded: {reason.splitlines()[0]}")


def _cut(image: Image.Image, box: tuple[float, ...], size: int) -> np.ndarray:
    """The part ``box`` of an open picture, resized to uint8 [3, size, size]."""
    left, top, right, bottom = box
    width, height = image.size
    # A JPEG decodes at a half, a quarter or an eighth in a fraction of the time, if that is enough.
    enough = max(size / (right - left), size / (bottom - top))
    if enough < 1:
        image.draft("RGB", (math.ceil(width * enough), math.ceil(height * enough)))
    across, down = image.size[0] / width, image.size[1] / height
    part = (left * across, top * down, right * across, bottom * down)
    small = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, part)
    return np.asarray(small).transpose(2, 0, 1)
