"""Data sets that are trees of pictures, in ``model.train``: their options, and how they are read.

torch is imported where pictures begin to be decoded, not before.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from model import datasets
from model.datasets import Dataset
from model.errors import UserError
from model.folder_images import BROKEN, Tree, read_trees
from model.training.config import TrainConfig
from model.training.distributed import Ranks

__all__ = ["add_options", "check_options", "feed", "load", "to_compare"]

MOST_WORKERS = 16
# Of so many held-out pictures, from all classes, the export's classes are compared with the
# network's: the integer model takes about a second for one.
COMPARED = 100


def add_options(add: Callable) -> None:
    """The options that no other data set has."""
    add("--broken", choices=BROKEN, help="imagenet: pictures that cannot be decoded; default: skip")
    workers = "imagenet: processes that decode, for each that trains; default: one a core"
    add("--workers", type=int, help=workers)


def check_options(options: argparse.Namespace) -> None:
    """Raise UserError for options that cannot be, or are for other data sets."""
    if options.workers is not None and options.workers < 0:
        raise UserError(f"--workers {options.workers} must be at least 0")
    if options.dataset in datasets.TREES:
        if options.shift:
            raise UserError(f"--shift: {options.dataset} is cropped at random instead")
        return
    for name in ("broken", "workers"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name} is for imagenet, which --dataset {options.dataset} is not")


def load(config: TrainConfig, data: Path | None) -> tuple[Dataset, Dataset] | tuple[Tree, Tree]:
    """The training and the held-out part. Raises UserError."""
    if config.dataset not in datasets.TREES:
        return tuple(datasets.load(config.dataset, data, s) for s in datasets.SPLITS)
    train, test = read_trees(data, datasets.source(config.dataset).page)
    if config.batch > len(train):
        raise UserError(f"--batch {config.batch}: there are only {len(train)} training pictures")
    return train, test


def feed(
    data: Dataset | Tree,
    config: TrainConfig,
    options: argparse.Namespace,
    device: str,
    ranks: Ranks,
):
    """What `model.training.loop.Trainer` is to train on: a data set itself, or a tree's pictures
    as they are decoded."""
    if isinstance(data, Dataset):
        return data
    from model.training.streamed import Streamed

    workers = options.workers
    if workers is None:
        workers = min(max((os.cpu_count() or 1) // ranks.here, 1), MOST_WORKERS)
    image = datasets.source(config.dataset).image
    broken = options.broken or BROKEN[0]
    return Streamed(data, image, config.seed, config.flip, broken, workers, device, ranks)


def to_compare(data: Dataset | Tree, fed) -> Dataset:
    """The images that the export is compared on: all of a data set, some of a tree."""
    if isinstance(data, Dataset):
        return data
    images, labels = fed.sample(COMPARED)
    return Dataset("imagenet", images.numpy(), labels.numpy(), data.classes)
