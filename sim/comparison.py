"""Compares what the engine computed with the golden model, tensor by tensor, value by value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
        layer = f"{self.layer}, stream" if self.tensor == "stream" else self.layer
        return f"image {self.image}, layer {layer}: {place}: {values}"


@dataclass
class TensorCount:
    """How many values of a tensor were compared over all images, and how many differed."""

    layer: str
    tensor: str
    values: int = 0
    differing: int = 0


class Comparison:
    """Runs the golden model on each image and counts every differing value of every tensor.

    The order is that of the computation (input planes, each convolution's stream and activations,
    scores, class), so that ``first`` is the difference nearest to the cause. ``differing`` are the
    differing values of each image. ``number`` is what the first of the images is called.
    """

    def __init__(self, network: Network, images: np.ndarray, number: int = 0):
        self.network = network
        self.images = images
        self.number = number
        self.first: Difference | None = None
        self.differing: list[int] = []
        head = network.head.name
        self.tensors = [
            TensorCount("input", "planes"),
            *(
                TensorCount(conv.name, tensor)
                for conv in network.convs
                for tensor, there in (("stream", conv.stream), ("activations", conv.out_bits))
                if there
            ),
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

    def add(self, image: int, found: Sequence[ImageTensors]) -> int:
        """Compare all tensors of ``images[image]`` and those that follow it, as many as were
        found; returns how many values differ. Images are to be added in order."""
        expected = golden.trace(self.network, self.images[image : image + len(found)])
        pairs = [
            (expected.planes, [tensors.planes for tensors in found]),
            *self._outputs(expected, found),
            (expected.scores, [tensors.scores for tensors in found]),
            (expected.classes[:, None], [[tensors.label] for tensors in found]),
        ]
        each = np.zeros(len(found), np.int64)
        suspects = []
        for count, (want, got) in zip(self.tensors, pairs, strict=True):
            got = np.stack(got)
            wrong = want != got
            by_image = wrong.reshape(len(found), -1).sum(axis=1)
            count.values += want.size
            count.differing += int(by_image.sum())
            each += by_image
            suspects.append((count, want, got, wrong))
        if self.first is None and each.any():
            place = int(each.nonzero()[0][0])
            count, *maps = next(suspect for suspect in suspects if suspect[3][place].any())
            self.first = self._difference(
                self.number + image + place, count, *(values[place] for values in maps)
            )
        self.differing += each.tolist()
        return int(each.sum())

    def _outputs(self, expected: golden.Trace, found: Sequence[ImageTensors]) -> Iterator[tuple]:
        """What the convolutions put out, in the order of ``tensors``."""
        for place, conv in enumerate(self.network.convs):
            if conv.stream:
                yield expected.streams[place], [tensors.streams[place] for tensors in found]
            if conv.out_bits:
                yield expected.activations[place], [tensors.activations[place] for tensors in found]

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
