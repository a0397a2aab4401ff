"""Compares what the engine computed with the golden model, tensor by tensor, value by value."""

from dataclasses import asdict, dataclass

import numpy as np

from model import golden
from model.format import Network
from sim.recorder import ImageTensors

__all__ = ["Comparison", "Difference", "TensorCount"]


@dataclass(frozen=True)
class Difference:
    """One value that differs. ``row`` and ``column`` are None for scores, where ``channel`` is
    the class; all three are None for the class itself. Binary values are +1 and -1."""

    image: int
    layer: str
    tensor: str
    channel: int | None
    row: int | None
    column: int | None
    expected: int
    found: int

    def __str__(self) -> str:
        if self.row is not None:
            place = f"channel {self.channel}, row {self.row}, column {self.column}"
            values = f"expected {self.expected:+d}, found {self.found:+d}"
        else:
            place = "class" if self.channel is None else f"score of class {self.channel}"
            values = f"expected {self.expected}, found {self.found}"
        return f"image {self.image}, layer {self.layer}: {place}: {values}"


@dataclass
class TensorCount:
    """How many values of a tensor were compared over all images, and how many differed."""

    layer: str
    tensor: str
    values: int = 0
    differing: int = 0


class Comparison:
    """Runs the golden model on each image and counts every differing value of every tensor.

    The order is that of the computation (input planes, each convolution's activations, scores,
    class), so that ``first`` is the difference nearest to the cause. ``number`` is what the first
    of the images is called.
    """

    def __init__(self, network: Network, images: np.ndarray, number: int = 0):
        self.network = network
        self.images = images
        self.number = number
        self.first: Difference | None = None
        head = network.head.name
        self.tensors = [
            TensorCount("input", "planes"),
            *(TensorCount(conv.name, "activations") for conv in network.convs),
            TensorCount(head, "scores"),
            TensorCount(head, "class"),
        ]

    @property
    def values(self) -> int:
        """Values compared."""
        return sum(count.values for count in self.tensors)

    @property
    def mismatches(self) -> int:
        """Values that differed."""
        return sum(count.differing for count in self.tensors)

    def add(self, image: int, found: ImageTensors) -> int:
        """Compare all tensors of ``images[image]``; returns how many values differ."""
        expected = golden.trace(self.network, self.images[image : image + 1])
        pairs = [
            (expected.planes[0], found.planes),
            *zip((layer[0] for layer in expected.activations), found.activations, strict=True),
            (expected.scores[0], found.scores),
            (expected.classes[:1], np.array([found.label])),
        ]
        differing = 0
        for count, (want, got) in zip(self.tensors, pairs, strict=True):
            wrong = want != got
            count.values += want.size
            count.differing += int(wrong.sum())
            differing += int(wrong.sum())
            if self.first is None and wrong.any():
                self.first = self._difference(self.number + image, count, want, got, wrong)
        return differing

    def summary(self) -> dict:
        """For the report: counts a tensor and the first difference, plain values."""
        return {
            "values_compared": self.values,
            "tensors": [asdict(count) for count in self.tensors],
            "first_difference": self.first and asdict(self.first) | {"text": str(self.first)},
        }

    @staticmethod
    def _difference(
        image: int, count: TensorCount, want: np.ndarray, got: np.ndarray, wrong: np.ndarray
    ) -> Difference:
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        expected, found = int(want[place]), int(got[place])
        if want.dtype == bool:
            expected, found = 2 * expected - 1, 2 * found - 1
        channel, row, column = (*place, None, None)[:3]
        if count.tensor == "class":
            channel = None
        return Difference(image, count.layer, count.tensor, channel, row, column, expected, found)
