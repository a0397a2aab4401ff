"""Converts a network from its checkpoint, and trains it further with its codebooks. Needs torch."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import nn

from model import datasets, verify
from model.codebooks import tau_of
from model.convert.kernels import Converted, convert_layer
from model.convert.source import Trained
from model.datasets import Dataset
from model.errors import UserError
from model.export import export
from model.layers import SubBitConv2d
from model.learnt import Codebook
from model.nets import net_config
from model.network import Network
from model.stack import build
from model.training.config import TrainConfig
from model.training.files import LINES, JsonLines
from model.training.loop import Trainer
from model.training.progress import make_progress

__all__ = ["convert_net", "fine_tune", "measured", "restored"]


def restored(trained: Trained, where: str) -> nn.Module:
    """The network of a checkpoint; UserError where it is no 1-bit network or does not fit."""
    config = trained.config
    if config.bits != "1":
        raise UserError(f"{where}: was trained at {config.bits} bit; only 1-bit networks convert")
    description = net_config(config.net, datasets.source(config.dataset).image)
    classes = len(datasets.source(config.dataset).classes) or description.classes
    description = dataclasses.replace(description, padding=config.padding, classes=classes)
    if config.shifts:
        description = dataclasses.replace(description, shifts=True)
    net = build(description, tau_of(config.bits), config.codebook, config.seed)
    try:
        net.load_state_dict(trained.state)
    except RuntimeError as error:
        raise UserError(f"{where}: its weights are not those of --net {config.net}") from error
    return net


def convert_net(net: nn.Module, tau: int, kind: str) -> list[Converted]:
    """Give every 3x3 layer of a 1-bit ``net`` a codebook of ``kind``, filled by frequency."""
    done = []
    for path, conv in net.named_modules():
        if not isinstance(conv, SubBitConv2d) or conv.codebook is not None:
            continue
        book = Codebook(tau, kind, np.random.default_rng(0))
        weights = conv.weight.detach().numpy()
        found = convert_layer(path, weights, tau, book.antipodal)
        done.append(found)
        book.fill(found.codebook)
        conv.tau, conv.codebook = tau, book
    return done


def measured(
    net: nn.Module, config: TrainConfig, test: Dataset, provenance: dict
) -> tuple[Network, float]:
    """The export, and its accuracy; CheckError where its classes are not the network's."""
    image = datasets.source(config.dataset).image
    network = export(net, image, config.export_name, provenance)
    return network, verify.compare(net, network, test.images, test.labels).golden_accuracy


def fine_tune(
    net: nn.Module, config: TrainConfig, train: Dataset, test: Dataset, folder: Path
) -> None:
    """Train by ``config``; a log and a checkpoint go into ``folder``."""
    torch.manual_seed(config.seed)
    trainer = Trainer(config, net, train, test)
    with make_progress(trainer.total, 0) as progress:
        trainer.run(folder, JsonLines(folder / LINES, 0), progress)
