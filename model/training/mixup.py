"""Mix-up: training on blends of two images, with both of their labels (Zhang et al. 2018)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["blend"]


def blend(
    images: Tensor, labels: Tensor, classes: int, alpha: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, colours, H, W], each blended with another of the batch, and the shares of
    the classes in them, float32 [N, ``classes``].

    One share in (0.5, 1] for the batch, from Beta(``alpha``, ``alpha``) drawn by ``seed``: the
    greater part stays the image's own. Pixels are rounded to whole numbers, as any image has.
    """
    rng = np.random.default_rng(seed)
    share = float(rng.beta(alpha, alpha))
    share = max(share, 1 - share)
    other = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    mixed = (share * images + (1 - share) * images[other]).round().to(images.dtype)
    own = functional.one_hot(labels, classes).float()
    return mixed, share * own + (1 - share) * own[other]
