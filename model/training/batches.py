"""Where a training step gets its images from: tensors that lie on the device, all of them.

`Resident` holds a whole data set there (CIFAR is 180 MB), so that a GPU waits for nothing;
`model.training.streamed` has the same methods for pictures that are decoded as they are needed.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from model.datasets import Dataset
from model.training.distributed import Ranks

__all__ = ["Resident", "source"]


class Resident:
    """A data set on a device. ``whole``: what `take` returns is a step's global batch, and still to
    be augmented."""

    whole = True

    def __init__(self, data: Dataset, device: str, ranks: Ranks):
        self.images = torch.from_numpy(data.images).to(device)
        self.labels = torch.from_numpy(data.labels).to(device)
        self.device, self.ranks = device, ranks
        self.image = tuple(data.images.shape[1:])

    def __len__(self) -> int:
        return len(self.labels)

    def some(self, count: int) -> Tensor:
        """Up to ``count`` images to calibrate with, uint8 [n, colours, H, W]."""
        return self.images[:count]

    def begin(self, epoch: int, batches: tuple[Tensor, ...]) -> None:
        """Told which numbers of images an epoch's remaining steps will take."""

    def take(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Images and labels of a step's numbers, the same in every process."""
        chosen = chosen.to(self.device)
        return self.images[chosen], self.labels[chosen]

    def part(self, batch: Tensor) -> Tensor:
        """This process's part of what `take` returned."""
        return self.ranks.part(batch)

    def skipped(self) -> int:
        """How many images were left out of the epoch: none can be broken."""
        return 0

    def held_out(self, tick: Callable[[], None]) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels that this process evaluates, in one piece or more."""
        mine = slice(self.ranks.number, None, self.ranks.count)
        yield self.images[mine], self.labels[mine]


def source(data, device: str, ranks: Ranks):
    """A `Resident` of a data set; what is no data set is such a source already."""
    return Resident(data, device, ranks) if isinstance(data, Dataset) else data
