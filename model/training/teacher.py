"""Distillation: a float network, trained by the same command, shows what to aim at."""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor, nn

from model.errors import UserError
from model.training import checkpoint
from model.training.config import FLOAT, FLOAT_RATE, TrainConfig
from model.training.files import CHECKPOINT, METRICS
from model.training.network import build_net

__all__ = ["load_teacher", "taught", "teacher_config"]

# A float network needs fewer epochs than its binary pupil.
SHARE = 0.25


def teacher_config(config: TrainConfig) -> TrainConfig:
    """The run of the teacher that --teacher auto trains: the same network in floats."""
    return dataclasses.replace(
        config,
        bits=FLOAT,
        teacher="none",
        first="none",
        shifts=False,
        rate=FLOAT_RATE,
        epochs=max(1, round(SHARE * config.epochs)),
    )


def load_teacher(folder: Path, config: TrainConfig, classes: int | None = None) -> nn.Module:
    """The trained float network in the run's folder ``folder``, for evaluation only.

    Raises UserError where there is none, its run has not ended, or it is for other images.
    """
    if not (folder / CHECKPOINT).is_file():
        raise UserError(
            f"--teacher {folder}: there is no {CHECKPOINT}; name the folder of a run with "
            f"--bits {FLOAT}, or use --teacher auto"
        )
    options, state = checkpoint.load(folder)
    try:
        taught_by = TrainConfig(**options)
    except TypeError as error:
        raise UserError(f"--teacher {folder}: was made by another version") from error
    if taught_by.bits != FLOAT:
        raise UserError(
            f"--teacher {folder}: is a network of {taught_by.bits} bit; "
            f"train a teacher with --bits {FLOAT}"
        )
    if taught_by.dataset != config.dataset:
        raise UserError(
            f"--teacher {folder}: was trained on {taught_by.dataset}, not on {config.dataset}"
        )
    if not (folder / METRICS).is_file():
        raise UserError(f"--teacher {folder}: its training has not ended; --resume it first")
    net = build_net(taught_by, classes)
    net.load_state_dict(state["net"])
    return net.eval().requires_grad_(False)


@torch.no_grad()
def taught(teacher: nn.Module, images: Tensor, targets: Tensor, share: float) -> Tensor:
    """Shares of the classes to aim at, [N, classes]: ``share`` of them as the ``teacher`` sees the
    images, the rest ``targets``."""
    return share * torch.softmax(teacher(images).float(), 1) + (1 - share) * targets
