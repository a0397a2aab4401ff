"""What a run simulates: a network and images, from a data set's test part or made up."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model import datasets
from model.codebooks import tau_of
from model.errors import UserError
from model.network import Network
from model.shipped import DEFAULT, load_model
from sim.networks import published_network
from sim.stacks import stack_network
from sim.synthetic import random_images

__all__ = ["NOISE", "Subject", "find_subject"]

# Stands for a data set where images are made up.
NOISE = "noise"
DEFAULT_BITS = "0.56"


@dataclass(frozen=True, eq=False)
class Subject:
    """``model``: what the user called the network; ``images`` uint8 [N, colours, H, W];
    ``labels`` int64 [N], None for made-up images; ``classes``: their names."""

    model: str
    network: Network
    dataset: str
    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]


def find_subject(options: argparse.Namespace) -> Subject:
    """What the command's options ask for; raises UserError."""
    return _made_up(options) if options.stack or options.net else _tested(options)


def _made_up(options: argparse.Namespace) -> Subject:
    """A network of random weights and images of noise."""
    kind = "stack" if options.stack else "net"
    if options.stack and options.net:
        raise UserError("--stack and --net do not go together: choose one network")
    for name in ("model", "dataset", "data"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name} and --{kind} do not go together: a {kind} is made of noise")
    if options.images is None:
        raise UserError(f"--images all: a {kind} has as many images as you like; name a number")
    tau, rows = tau_of(options.bits or DEFAULT_BITS), options.rows
    if options.stack:
        network = stack_network(options.stack, tau, options.seed, rows=rows)
    else:
        network = published_network(options.net, tau, options.seed, rows=rows)
    images = random_images(options.seed, network, options.first + options.images)[options.first :]
    classes = tuple(str(number) for number in range(network.head.classes))
    return Subject(network.name, network, NOISE, images, None, classes)


def _tested(options: argparse.Namespace) -> Subject:
    """A network on its data set's test images."""
    for name, what in (("bits", "bits"), ("rows", "maps")):
        if getattr(options, name) is not None:
            raise UserError(
                f"--{name} belongs to --stack and --net: a trained network has the {what} it has"
            )
    model = options.model or DEFAULT
    network = load_model(model)
    name = options.dataset or network.provenance.get("dataset")
    if name is None:
        raise UserError(
            f"{model} does not say what it was trained on: name a data set with "
            f"--dataset ({', '.join(datasets.NAMES)})"
        )
    data = datasets.load(name, options.data, "test")
    if data.images.shape[1:] != network.image:
        raise UserError(
            f"{name} has images {_size(data.images.shape[1:])}, {model} takes "
            f"{_size(network.image)}: choose another --dataset"
        )
    count = len(data.images) - options.first if options.images is None else options.images
    if not 0 < count <= len(data.images) - options.first:
        raise UserError(
            f"--images {count if count > 0 else 'all'} from --first {options.first} on: "
            f"{name} has {len(data.images)} test images"
        )
    chosen = slice(options.first, options.first + count)
    return Subject(model, network, name, data.images[chosen], data.labels[chosen], data.classes)


def _size(image: Sequence[int]) -> str:
    return " x ".join(map(str, image))
