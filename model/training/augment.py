"""Small random changes to training images, on uint8 tensors, from a given generator."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augment"]


def augment(images: Tensor, shift: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Each image [N, colours, H, W] moved by up to ``shift`` pixels (black comes in) and,
    with ``flip``, mirrored left to right with an even chance."""
    count, colours, height, width = images.shape
    if shift:
        padded = functional.pad(images, (shift, shift, shift, shift))
        down, right = torch.randint(2 * shift + 1, (2, count), generator=generator)
        rows = (down[:, None] + torch.arange(height))[:, None, :, None]
        columns = (right[:, None] + torch.arange(width))[:, None, None, :]
        each = torch.arange(count)[:, None, None, None]
        images = padded[each, torch.arange(colours)[None, :, None, None], rows, columns]
    if flip:
        mirrored = torch.rand(count, generator=generator) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images
