"""Small random changes to training images, on uint8 tensors, from a given generator.

The generator is the CPU's, so that they are the same on every device.
"""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augment"]


def augment(images: Tensor, shift: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Each image [N, colours, H, W] moved by up to ``shift`` pixels (black comes in) and,
    with ``flip``, mirrored left to right with an even chance."""
    count = len(images)
    if shift:
        padded = functional.pad(images, (shift, shift, shift, shift))
        drawn = torch.randint(2 * shift + 1, (2, count), generator=generator)
        down, right = drawn.to(images.device)
        every = [torch.arange(n, device=images.device) for n in images.shape]
        rows = (down[:, None] + every[2])[:, None, :, None]
        columns = (right[:, None] + every[3])[:, None, None, :]
        each = every[0][:, None, None, None]
        images = padded[each, every[1][None, :, None, None], rows, columns]
    if flip:
        mirrored = torch.rand(count, generator=generator) < 0.5
        mirrored = mirrored.to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images
