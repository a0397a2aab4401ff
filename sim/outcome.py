"""What a run showed: the results of its batches, put together in the order of the images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from hw.schedule import LayerCycles
from sim.comparison import Comparison, Difference, TensorCount
from sim.cycles import check
from sim.recorder import ImageTensors
from sim.watcher import Recording

__all__ = ["BatchResult", "Outcome"]


@dataclass(frozen=True, eq=False)
class BatchResult:
    """What one batch of n images showed; plain arrays, so that it travels between processes.

    ``first`` is the run's number of its first image, ``asked`` how many images it was to
    simulate. ``labels`` int64 [n] answered classes; ``cycles`` uint32 [n, layers, phases];
    ``starts`` and ``results`` int64 [n], the batch's cycle in which computing an image began and
    in which its result was taken; ``total`` cycles simulated; ``differing`` int64 [n] values of
    each image that differ from the golden model, ``tensors`` the same by tensor;
    ``timeline`` uint16, see `sim.cycles.CycleRecorder`; ``images`` the tensors, where kept.
    """

    first: int
    asked: int
    labels: np.ndarray
    cycles: np.ndarray
    starts: np.ndarray
    results: np.ndarray
    total: int
    tensors: tuple[TensorCount, ...]
    differing: np.ndarray
    first_difference: Difference | None
    timeline: np.ndarray
    images: tuple[ImageTensors, ...] = ()

    @classmethod
    def of(
        cls, recording: Recording, comparison: Comparison, first: int, keep: bool = False
    ) -> "BatchResult":
        """The result of a simulation that may have been interrupted."""
        count = len(comparison.differing)
        layers = len(comparison.network.layers)
        # Images that had begun when it ended are not counted.
        cycles = np.array(recording.cycles[:count], np.uint32)
        return cls(
            first=first,
            asked=len(comparison.images),
            labels=np.array([tensors.label for tensors in recording.images[:count]], np.int64),
            cycles=cycles.reshape(count, layers, -1) if count else np.zeros((0, layers, 0)),
            starts=np.array(recording.starts[:count], np.int64),
            results=np.array(recording.results[:count], np.int64),
            total=recording.total,
            tensors=tuple(comparison.tensors),
            differing=np.array(comparison.differing, np.int64),
            first_difference=comparison.first,
            timeline=np.array(recording.timeline if first == 0 else (), np.uint16),
            images=tuple(recording.images[:count]) if keep else (),
        )

    @property
    def complete(self) -> bool:
        """Whether every image of the batch was simulated."""
        return len(self.labels) == self.asked


@dataclass(frozen=True, eq=False)
class Outcome:
    """A run of ``asked`` images, as far as it came.

    ``number`` is what its first image is called in messages; ``batches`` are those done, in the
    order of their images, without a gap.
    """

    predicted: tuple[LayerCycles, ...]
    number: int
    asked: int
    batches: Sequence[BatchResult]

    @property
    def images(self) -> int:
        """Images done."""
        return sum(len(batch.labels) for batch in self.batches)

    @property
    def complete(self) -> bool:
        """Whether all images asked for are done."""
        return self.images == self.asked

    @cached_property
    def labels(self) -> np.ndarray:
        """Answered classes, int64 [images]."""
        return np.concatenate([batch.labels for batch in self.batches])

    @property
    def first_image_cycles(self) -> list[list[int]]:
        """Cycles [layer][phase] of the first image."""
        return self.batches[0].cycles[0].tolist()

    @property
    def tensors(self) -> list[TensorCount]:
        """Values compared and differing by tensor, over all images."""
        return [
            TensorCount(
                counts[0].layer,
                counts[0].tensor,
                sum(count.values for count in counts),
                sum(count.differing for count in counts),
            )
            for counts in zip(*(batch.tensors for batch in self.batches), strict=True)
        ]

    @property
    def values(self) -> int:
        """Values compared."""
        return sum(count.values for count in self.tensors)

    @property
    def mismatches(self) -> int:
        """Values that differed."""
        return sum(count.differing for count in self.tensors)

    @property
    def first_difference(self) -> Difference | None:
        """The first value that differs, in the order of images and of the computation."""
        found = (batch.first_difference for batch in self.batches)
        return next((difference for difference in found if difference), None)

    @property
    def differing_images(self) -> list[int]:
        """Numbers within the run of the images with a differing value."""
        return [
            batch.first + int(place)
            for batch in self.batches
            for place in np.flatnonzero(batch.differing)
        ]

    @property
    def timeline(self) -> np.ndarray:
        """Layer and phase in every cycle of the run's beginning; see `sim.cycles.CycleRecorder`."""
        return self.batches[0].timeline

    @property
    def interval(self) -> int | None:
        """Cycles from one result to the next once images follow each other; None for one image."""
        spans = [np.diff(batch.results) for batch in self.batches if len(batch.results) > 1]
        return int(spans[0][-1]) if spans else None

    @property
    def total(self) -> int:
        """Cycles simulated."""
        return sum(batch.total for batch in self.batches)

    @cached_property
    def cycle_problems(self) -> list[str]:
        """Every image's and layer's cycles that are not as predicted, a line each."""
        return [
            problem
            for batch in self.batches
            for problem in check(
                self.predicted, batch.cycles.tolist(), len(batch.labels), self.number + batch.first
            )
        ]

    @property
    def problem(self) -> str | None:
        """The first thing that is wrong: a differing value, else a wrong cycle count, else None."""
        if first := self.first_difference:
            return f"{self.mismatches:,} of {self.values:,} values differ; the first: {first}"
        if problems := self.cycle_problems:
            return f"{len(problems)} cycle counts are not as predicted; the first: {problems[0]}"
        return None

    def summary(self) -> dict:
        """For the report: counts a tensor and the first difference, plain values."""
        first = self.first_difference
        return {
            "values_compared": self.values,
            "tensors": [asdict(count) for count in self.tensors],
            "first_difference": first and asdict(first) | {"text": str(first)},
        }
