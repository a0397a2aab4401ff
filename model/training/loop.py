"""The training loop.

The order of the images and their augmentation follow from (seed, epoch, step) alone, so a run
that goes on from a checkpoint meets the same batches as one that never stopped.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.calibrate import calibrate, calibrated
from model.datasets import Dataset
from model.errors import UserError
from model.layers import SubBitConv2d
from model.learnt import Codebook
from model.link import link
from model.training import checkpoint
from model.training.aim import aim, reduced
from model.training.augment import augment
from model.training.batches import source
from model.training.compiled import compiled
from model.training.config import TrainConfig
from model.training.distributed import ALONE, Ranks
from model.training.diverged import check_loss
from model.training.files import JsonLines
from model.training.moves import codebooks_entry
from model.training.progress import Progress
from model.training.schedule import rate
from model.training.stages import first_steps, set_stage
from model.verify import predict

__all__ = ["Trainer", "codebook_groups"]

# Streams get their grid from so many training images, with room for what further steps change.
CALIBRATION, ROOM = 500, 2.0


def codebook_groups(net: nn.Module, codebook_rate: float) -> list[dict]:
    """Parameter groups for an optimiser: learnt codebooks run at ``codebook_rate`` times."""
    books, others = [], []
    for name, parameter in net.named_parameters():
        (books if name.endswith("codebook.real") else others).append(parameter)
    groups = [{"params": others, "times": 1.0}]
    return groups + ([{"params": books, "times": codebook_rate}] if books else [])


class Trainer:
    """A run: network, optimiser, and how far it has come. `state` and `restore` are exact.

    ``train`` and ``test`` are data sets or `model.training.streamed.Streamed`; ``ranks`` are the
    processes that train together, connected already, and ``device`` is this one's.
    """

    def __init__(
        self,
        config: TrainConfig,
        net: nn.Module,
        train: Dataset,
        test: Dataset,
        teacher: nn.Module | None = None,
        ranks: Ranks = ALONE,
        device: str = "cpu",
    ):
        self.config, self.net, self.ranks, self.device = config, net, ranks, device
        number = torch.get_default_dtype()
        self.teacher = teacher if teacher is None else teacher.to(device, number)
        self.data, self.test = (source(data, device, ranks) for data in (train, test))
        net.to(number)
        if config.exported:
            link(net, self.data.image)
        net.to(device)
        # Training steps alone run what is shared or compiled; the parameters are the network's own.
        stepped = compiled(net) if config.compile else net
        self.stepped = ranks.wrap(stepped, unused=config.first != "none")
        self.classes = len(train.classes)
        groups = codebook_groups(net, config.codebook_rate)
        self.optimiser = torch.optim.Adam(groups, lr=config.rate)
        self.steps = len(self.data) // config.batch  # an epoch; a last, smaller batch is left out
        self.epoch = self.step = 0  # whole epochs done; steps done in the one under way
        self.loss_sum, self.correct = 0.0, 0
        self.seconds = 0.0
        for module in net.modules():
            if isinstance(module, Codebook):
                module.plan(self.total, first_steps(config, self.total))

    @property
    def total(self) -> int:
        """Training steps of the whole run."""
        return self.config.epochs * self.steps

    @property
    def done(self) -> int:
        """Training steps taken."""
        return self.epoch * self.steps + self.step

    def state(self) -> dict:
        """All that the rest of the run depends on."""
        return {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": torch.get_rng_state(),
            "epoch": self.epoch,
            "step": self.step,
            "loss_sum": self.loss_sum,
            "correct": self.correct,
            "seconds": self.seconds,
        }

    def restore(self, state: dict) -> None:
        """Go back to a `state`; UserError where it is not one of this network."""
        try:
            self.net.load_state_dict(state["net"])
            self.optimiser.load_state_dict(state["optimiser"])
            torch.set_rng_state(state["generator"])
            for name in ("epoch", "step", "loss_sum", "correct", "seconds"):
                setattr(self, name, state[name])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"the checkpoint is of another network than --net {self.config.net} is now: "
                "choose another --out, or use --restart"
            ) from error

    def run(
        self,
        folder: Path,
        lines: JsonLines,
        progress: Progress,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end, or until ``stop`` says so; True when the end was reached.

        A checkpoint is written after each epoch and on stopping, by the first process.
        ``stop`` must say the same in all.
        """
        begun = time.monotonic() - self.seconds
        self.net.train()
        while self.epoch < self.config.epochs:
            order = torch.randperm(len(self.data), generator=self._generator(self.epoch))
            batches = order[: self.steps * self.config.batch].split(self.config.batch)
            self.data.begin(self.epoch, batches[self.step :])
            while self.step < self.steps:
                if stop():
                    self.seconds = time.monotonic() - begun
                    self._save(folder)
                    return False
                self._train(batches[self.step])
                seen = self.step * self.config.batch
                loss, accuracy = self.loss_sum / self.step, self.correct / seen
                progress.step(self.done, self.epoch + 1, loss, accuracy)
            test_accuracy = self.evaluate(progress)
            self.epoch, self.step = self.epoch + 1, 0
            self.loss_sum, self.correct = 0.0, 0
            self.seconds = time.monotonic() - begun
            record = {
                "epoch": self.epoch,
                "epochs": self.config.epochs,
                "step": self.done,
                "loss": loss,
                "train_accuracy": accuracy,
                "test_accuracy": test_accuracy,
                "rate": rate(self.config, self.done - 1, self.total),
                "seconds": round(self.seconds, 3),
            }
            if skipped := self.data.skipped() + self.test.skipped():
                record["skipped"] = skipped
            self.ranks.check_equal(self.net)
            lines.add(record | codebooks_entry(self.net))
            progress.epoch(record, self.epoch == self.config.epochs)
            self._save(folder)
        return True

    def _save(self, folder: Path) -> None:
        if self.ranks.first:
            checkpoint.write(folder, self.config, self.state())

    def evaluate(self, progress: Progress) -> float:
        """Accuracy on the test images."""
        right = count = 0

        def tick() -> None:
            progress.note("evaluating")

        for images, labels in self.test.held_out(tick):
            right += int((predict(self.net, images, tick) == labels).sum())
            count += len(labels)
        right, count = self.ranks.sums(right, count)
        return right / count if count else 0.0

    def _key(self, epoch: int, step: int = -1) -> int:
        """A seed of its own for each epoch and each step."""
        return ((self.config.seed * 100_003 + epoch) * 1_000_003 + step + 1) % (1 << 63)

    def _generator(self, epoch: int, step: int = -1) -> torch.Generator:
        return torch.Generator().manual_seed(self._key(epoch, step))

    def _settle(self) -> None:
        """Late in the run, normalise by the running statistics and leave them alone.

        Much of an image is plain background: one value of the sums holds half of a map. Where it
        lies on a threshold, the noise of a batch's own statistics decides half of the map anew in
        every step; the network learns to live with that, and fails with fixed thresholds
        (MNIST: 97 % by the statistics of batches, 53 % by running ones). So the last part of the
        training has the thresholds that the export will have. From then on streams round and
        saturate as in the export, too.
        """
        settled = self.config.exported and self.done >= self.config.settle * self.total
        if settled and not calibrated(self.net):
            calibrate(self.net, self.data.some(CALIBRATION), room=ROOM)
        for module in self.net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(not settled)

    def _train(self, chosen: Tensor) -> None:
        """One step on the images of these numbers."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.config, self.done, self.total) * group["times"]
        set_stage(self.net, self.config, self.done, self.total)
        self._settle()
        generator = self._generator(self.epoch, self.step)
        images, labels = self.data.take(chosen)
        if self.data.whole:
            images = augment(images, self.config.shift, self.config.flip, generator)
        images, targets = aim(
            self.config, self.teacher, images, labels, self.classes,
            self._key(self.epoch, self.step), self.data.part,
        )  # fmt: skip
        labels = self.data.part(labels)
        with reduced(self.config, images):
            scores = self.stepped(images)
        loss = functional.cross_entropy(scores, targets, label_smoothing=self.config.smoothing)
        right = (scores.argmax(1) == labels).sum()
        value, right = self.ranks.sums(loss.item() / self.ranks.count, right.item())
        check_loss(value, self.classes, self.done, self.config)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        for module in self.net.modules():
            if isinstance(module, SubBitConv2d):
                module.clip()
        self.loss_sum += value
        self.correct += int(right)
        self.step += 1
