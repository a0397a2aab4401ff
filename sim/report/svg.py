"""Pieces of inline SVG whose colours are those of the page's style sheet."""

import math
from collections.abc import Sequence
from html import escape

__all__ = ["LEFT", "LETTER", "RIGHT", "drawing", "element", "log_ticks", "path", "text"]

# Margins of a chart, and about what a letter takes of a line, in pixels.
LEFT, RIGHT = 44, 10
LETTER = 6.6


def element(name: str, content: str = "", **attributes: object) -> str:
    """An element; ``class_`` becomes class, and underscores in names hyphens."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}/>"


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """A line of text."""
    return element("text", escape(words), x=x, y=y, **attributes)


def path(points: Sequence[tuple[float, float]], **attributes: object) -> str:
    """A line, or an area with a colour, through points."""
    steps = " ".join(f"{_plain(x)},{_plain(y)}" for x, y in points)
    return element("path", d=f"M{steps}", **attributes)


def drawing(width: int, height: int, words: str, content: Sequence[str], class_: str) -> str:
    """A picture for the page; ``words`` are its text alternative."""
    return (
        f'<svg class="{escape(class_)}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(words)}">{"".join(content)}</svg>'
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Values 1, 2 and 5 times powers of ten from ``low`` to ``high``."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = (digit * 10.0**power for power in powers for digit in (1, 2, 5))
    return [value for value in values if low <= value <= high]


def _plain(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
