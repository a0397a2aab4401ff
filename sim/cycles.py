"""Counts the cycles of each layer by phase, as the probe shows them, and checks the prediction."""

from collections.abc import Sequence
from dataclasses import dataclass

from hw.schedule import LayerCycles
from hw.sequencer import Phase

__all__ = ["PHASES", "TIMELINE", "CycleRecorder", "LayerRow", "check", "rows"]

# Places for phases in the entry of a timeline; Phase has fewer members.
PHASES = 8
# Cycles of a simulation that its timeline covers.
TIMELINE = 1 << 19

IDLE, FILL, USEFUL, STALL, DRAIN = (
    Phase[name].value for name in ("IDLE", "FILL", "USEFUL", "STALL", "DRAIN")
)


@dataclass(frozen=True)
class LayerRow:
    """A layer in the report: simulated cycles of one image by phase, predicted cycles, MACs."""

    name: str
    kind: str
    cycles: int
    predicted: int
    useful: int
    fill: int
    drain: int
    stall: int
    macs: int


class CycleRecorder:
    """Cycles [layer][phase] of each image, from the probe in every cycle.

    An image begins where the layer number falls, or where the first layer begins again after the
    last one drained (a network of a single convolution). Idle cycles belong to no image. The
    head, last of the layers, completes a result while the next image already runs; its cycles
    count as draining. ``timeline`` has an entry for each of the first `TIMELINE` cycles:
    ``PHASES * layer + phase``.
    """

    def __init__(self, layers: int):
        self.layers = layers
        self.images: list[list[list[int]]] = []
        self.starts: list[int] = []
        self.timeline: list[int] = []
        self._layer = layers
        self._phase = IDLE

    def tick(self, cycle: int, layer: int, phase: int, head_busy: int) -> None:
        """One cycle of the simulation; ``cycle`` is its number."""
        if cycle < TIMELINE:
            self.timeline.append(PHASES * layer + phase)
        if phase != IDLE:
            restarts = layer == self._layer and self._phase == DRAIN != phase
            if layer < self._layer or restarts:
                self.images.append([[0] * len(Phase) for _ in range(self.layers)])
                self.starts.append(cycle)
            self.images[-1][layer][phase] += 1
            self._layer, self._phase = layer, phase
        if head_busy:
            self.images[self._head_place][-1][DRAIN] += 1

    @property
    def head_image(self) -> int:
        """Number of the image that the head works on, where it is busy."""
        return len(self.images) + self._head_place

    @property
    def _head_place(self) -> int:
        # It works on the image whose last convolution has drained: the newest one, or, once that
        # has begun and not come so far, the one before it.
        drained = (self._layer, self._phase) == (self.layers - 2, DRAIN)
        return -1 if drained else -2


def rows(predicted: Sequence[LayerCycles], image: Sequence[Sequence[int]]) -> list[LayerRow]:
    """The report's rows: cycles [layer][phase] of an image beside their prediction."""
    return [
        LayerRow(
            name=layer.name,
            kind=layer.kind,
            cycles=sum(phases) - phases[IDLE],
            predicted=layer.cycles,
            useful=phases[USEFUL],
            fill=phases[FILL],
            drain=phases[DRAIN],
            stall=phases[STALL],
            macs=layer.macs,
        )
        for layer, phases in zip(predicted, image, strict=True)
    ]


def check(
    predicted: Sequence[LayerCycles],
    images: Sequence[Sequence[Sequence[int]]],
    expected_images: int,
    first_number: int = 0,
) -> list[str]:
    """What does not agree, one line each: the number of images, and per image and layer the
    cycles and each of their phases. Empty when all is as predicted. ``first_number`` is what the
    first image is called."""
    problems = []
    if len(images) != expected_images:
        problems.append(f"{len(images)} images were computed, not {expected_images}")
    for number, image in enumerate(images, first_number):
        for layer, row in zip(predicted, rows(predicted, image), strict=True):
            for key in ("cycles", "useful", "fill", "drain", "stall"):
                found, expected = getattr(row, key), getattr(layer, key)
                if found != expected:
                    what = "cycles" if key == "cycles" else f"{key} cycles"
                    problems.append(
                        f"image {number}, layer {layer.name}: {what}: "
                        f"predicted {expected}, simulated {found}"
                    )
    return problems
