"""Which cycles are wanted: a range of them, or those of one layer of one image."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.errors import UserError
from sim.waves.look import NEVER, Position

__all__ = ["Window", "parse_cycles", "parse_layer"]


@dataclass(frozen=True)
class Window:
    """A run of consecutive cycles of the simulation of one batch.

    ``first`` to ``last`` (None: to the end), both included; or, where ``layer`` is given, the
    cycles in which the batch's image ``image`` is in it. With ``head`` the layer is the head: from
    the end of the last convolution to the cycle in which the image's result is taken.
    """

    first: int = 0
    last: int | None = None
    image: int = 0
    layer: int | None = None
    head: bool = False

    def begins(self, at: Position) -> bool:
        """Whether a window that is not open yet opens in this cycle."""
        if self.layer is None:
            return at.cycle >= self.first
        if self.head:
            return at.head == self.image
        return at.running and (at.image, at.layer) == (self.image, self.layer)

    def ends(self, at: Position) -> bool:
        """Whether this cycle is the first one behind an open window."""
        if self.layer is None:
            return self.last is not None and at.cycle > self.last
        if self.head:
            return at.taken > self.image
        return not self.begins(at)

    @property
    def fields(self) -> dict[str, int]:
        """The same for C++, see `sim.waves.look.CLook`."""
        return {
            "first": self.first,
            "last": NEVER if self.last is None else self.last,
            "image": self.image,
            "layer": NEVER if self.layer is None else self.layer,
            "head": self.head,
        }


def parse_cycles(text: str) -> Window:
    """The window ``FROM:TO``; either may be left out. Raises UserError."""
    first, colon, last = text.partition(":")
    if not colon or not all(part.isdecimal() or not part for part in (first, last)):
        raise UserError(f"--vcd-cycles takes FROM:TO, two cycle numbers like 100:200, not {text!r}")
    window = Window(int(first or 0), int(last) if last else None)
    if window.last is not None and window.first > window.last:
        raise UserError(f"--vcd-cycles {text}: the window ends before it begins")
    return window


def parse_layer(text: str, layers: Sequence[str], images: range) -> tuple[str, int]:
    """A layer's name and an image's number from ``NAME[@IMAGE]``.

    ``images`` are the numbers of those simulated; the first one where none is named.
    Raises UserError for a layer or an image that there is not.
    """
    name, at, number = text.rpartition("@")
    if not at:
        name, number = text, str(images.start)
    if name not in layers:
        raise UserError(f"--vcd-layer: no layer {name!r}; there are {', '.join(layers)}")
    if not number.isdecimal() or int(number) not in images:
        raise UserError(
            f"--vcd-layer {text}: image {number or '(none)'} is not simulated; "
            f"{images.start} to {images.stop - 1} are"
        )
    return name, int(number)
