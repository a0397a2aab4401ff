"""Pictures that are decoded while a network trains, by processes of their own.

A picture's crop follows from (seed, epoch, its number) alone: neither the number of processes nor
that of their workers changes what a step sees, and a resumed run sees the same.
"""

import signal
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from model.errors import UserError
from model.folder_images import BrokenImageError, Tree, middle_crop, random_crop
from model.training.distributed import Ranks

__all__ = ["Streamed"]

BATCH = 250  # images of a test batch
AHEAD = 4  # batches that each worker holds ready


class _Crops(torch.utils.data.Dataset):
    """Items for workers: ``(epoch, number)`` gives (crop, label, what is broken about it).

    Epoch -1 is the test's middle crop. In the place of a broken training picture comes the next
    one that is not; a broken test picture has the label -1.
    """

    def __init__(self, tree: Tree, size: int, flip: bool, seed: int):
        self.tree, self.size, self.flip, self.seed = tree, size, flip, seed

    def __getitem__(self, item: tuple[int, int]) -> tuple[np.ndarray, int, list[str]]:
        epoch, number = item
        broken = []
        for other in range(len(self.tree) if epoch >= 0 else 1):
            place = (number + other) % len(self.tree)
            try:
                return self._crop(epoch, place), int(self.tree.labels[place]), broken
            except BrokenImageError as error:
                broken.append(str(error))
        return np.zeros((3, self.size, self.size), np.uint8), -1, broken

    def _crop(self, epoch: int, number: int) -> np.ndarray:
        if epoch < 0:
            return middle_crop(self.tree.path(number), self.size)
        rng = np.random.default_rng([self.seed, epoch, number])
        return random_crop(self.tree.path(number), self.size, self.flip, rng)


class Streamed:
    """The methods of `model.training.batches.Resident` for a tree of pictures.

    ``workers`` processes decode; 0: this one does. A broken picture is named once, and counted;
    with ``broken`` "refuse" it ends the run as a UserError.
    """

    whole = False

    def __init__(
        self,
        tree: Tree,
        image: tuple[int, int, int],
        seed: int,
        flip: bool,
        broken: str,
        workers: int,
        device: str,
        ranks: Ranks,
    ):
        self.tree, self.image, self.broken, self.workers = tree, image, broken, workers
        self.device, self.ranks = device, ranks
        self.crops = _Crops(tree, image[1], flip, seed)
        self.classes, self.named = tree.classes, set[str]()
        self.count = 0
        self.batches: Iterator = iter(())

    def __len__(self) -> int:
        return len(self.tree)

    def some(self, count: int) -> Tensor:
        """Up to ``count`` pictures from all over the tree, uint8 [n, 3, H, W] on the device."""
        return self.sample(count)[0].to(self.device)

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """Up to ``count`` middle crops from all over the tree, and their labels."""
        numbers = np.linspace(0, len(self.tree) - 1, min(count, len(self.tree))).astype(int)
        counted = self.count
        parts = [part for part in self._tests(numbers) if len(part[1])]
        self.count = counted  # these are no part of an epoch
        if not parts:
            raise UserError(f"{self.tree.folder}: none of {len(numbers)} pictures can be decoded")
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def begin(self, epoch: int, batches: tuple[Tensor, ...]) -> None:
        """Have the pictures of an epoch's remaining steps decoded, this process's part of each."""
        self.count = 0
        items = ([(epoch, n) for n in self.ranks.part(batch).tolist()] for batch in batches)
        self.batches = self._load(items, len(batches))

    def take(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Images and labels of the next step, this process's part only."""
        images, labels = next(self.batches)
        if len(labels) < len(chosen) // self.ranks.count:
            raise UserError(f"{self.tree.folder}: no picture in it can be decoded")
        return tuple(t.to(self.device, non_blocking=True) for t in (images, labels))

    def part(self, batch: Tensor) -> Tensor:
        """The whole of it: `take` takes this process's part only."""
        return batch

    def skipped(self) -> int:
        """How many broken pictures were left out of the epoch, in all processes."""
        return int(self.ranks.sums(self.count)[0])

    def held_out(self, tick: Callable[[], None]) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels that this process evaluates, batch by batch."""
        self.count = 0
        for images, labels in self._tests(
            np.arange(self.ranks.number, len(self.tree), self.ranks.count)
        ):
            tick()
            if len(labels):
                yield images.to(self.device, non_blocking=True), labels.to(self.device)

    def _tests(self, numbers: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        begins = range(0, len(numbers), BATCH)
        items = ([(-1, int(n)) for n in numbers[begin : begin + BATCH]] for begin in begins)
        return self._load(items, len(begins))

    def _load(
        self, batches: Iterable[list[tuple[int, int]]], count: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Decode ``count`` batches, in order."""
        workers = min(self.workers, count)
        loader = DataLoader(
            self.crops,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=_together,
            worker_init_fn=_ignore_ctrl_c,
            pin_memory=self.device != "cpu",
            prefetch_factor=AHEAD if workers else None,
        )
        try:
            for images, labels, broken in loader:
                self._tell(broken)
                yield images, labels
        except RuntimeError as error:
            raise UserError(
                f"{self.tree.folder}: a process that decodes pictures has ended "
                f"({str(error).splitlines()[0]}): try fewer --workers"
            ) from error

    def _tell(self, broken: list[str]) -> None:
        """Name what was not named before, or refuse it."""
        if broken and self.broken == "refuse":
            raise UserError(f"{broken[0]}; --broken skip leaves such pictures out")
        self.count += len(broken)
        for text in broken:
            if text not in self.named:
                self.named.add(text)
                print(f"left out: {text}", flush=True)


def _together(items: list) -> tuple[Tensor, Tensor, list[str]]:
    """A batch of what can be shown, and everything that is broken."""
    whole = [(crop, label) for crop, label, _ in items if label >= 0]
    crops = np.stack([crop for crop, _ in whole]) if whole else np.zeros((0, 3, 1, 1), np.uint8)
    labels = torch.tensor([label for _, label in whole], dtype=torch.int64)
    return torch.from_numpy(crops), labels, [text for _, _, broken in items for text in broken]


def _ignore_ctrl_c(worker: int) -> None:
    """Ctrl-C is for the process that trains: it saves, and then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
