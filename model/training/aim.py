"""What a training step aims at: labels, blended by mix-up, and a teacher's opinion."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.training.config import TrainConfig
from model.training.mixup import blend
from model.training.teacher import taught

__all__ = ["aim", "reduced"]


def reduced(config: TrainConfig, images: Tensor) -> torch.autocast:
    """The context in which a step's convolutions run as ``config.precision`` says."""
    enabled = config.precision == "bf16"
    return torch.autocast(images.device.type, torch.bfloat16, enabled=enabled)


def aim(
    config: TrainConfig,
    teacher: nn.Module | None,
    images: Tensor,
    labels: Tensor,
    classes: int,
    seed: int,
    part: Callable[[Tensor], Tensor] = lambda batch: batch,
) -> tuple[Tensor, Tensor]:
    """(images, targets) of a step on ``images`` uint8 [N, colours, H, W] of ``labels`` [N].

    Targets are the labels where nothing else is asked for, else shares of the classes, float32
    [N, ``classes``]; the teacher sees the very images that the network will. Images are blended
    with any of the batch; what is returned is the ``part`` of it that this process trains on.
    """
    targets = labels
    if config.mixup:
        images, targets = blend(images, labels, classes, config.mixup, seed)
    elif teacher is not None:
        targets = functional.one_hot(labels, classes).float()
    images, targets = part(images), part(targets)
    if targets.is_floating_point():
        targets = targets.to(torch.get_default_dtype())
    if teacher is not None:
        with reduced(config, images):
            targets = taught(teacher, images, targets, config.distil)
    return images, targets
