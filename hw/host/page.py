"""What the board said of each picture, as a page: one HTML file that needs nothing else."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from model.errors import UserError

__all__ = ["Shown", "page", "write_page"]

SHOWN = 96  # CSS pixels of a thumbnail's longer side

STYLE = f"""
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; margin: 0; }}
p {{ margin: .3rem 0 1.5rem; opacity: .75; }}
ul {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr));
     list-style: none; margin: 0; padding: 0; }}
li {{ border: 1px solid #8886; border-radius: .5rem; padding: .8rem; overflow-wrap: anywhere; }}
img {{ display: block; height: {SHOWN}px; image-rendering: pixelated; margin-bottom: .6rem; }}
b {{ font-size: 1.15rem; }}
dl {{ display: grid; grid-template-columns: auto 1fr; margin: 0; font-size: .85rem; }}
dd {{ margin: 0; text-align: right; font-variant-numeric: tabular-nums; }}
"""


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture: its name, its pixels as the board got them (uint8 [colours, height, width]), the
    class and its score, the next best ones (None where there is one class), microseconds."""

    name: str
    image: np.ndarray
    label: str
    score: int
    other: tuple[str, int] | None
    micros: float


def page(title: str, facts: str, pictures: Sequence[Shown]) -> str:
    """The page's text: a line of facts, then a card a picture."""
    cards = "\n".join(map(_card, pictures))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(facts)}</p>\n<ul>\n{cards}\n</ul>\n</body></html>\n"
    )


def write_page(path: Path, text: str) -> None:
    """Raises UserError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: the page cannot be written ({error.strerror})") from error


def _card(shown: Shown) -> str:
    rows = [("score", f"{shown.score:,}")]
    if shown.other:
        rows.append((f"next: {shown.other[0]}", f"{shown.other[1]:,}"))
    rows.append(("time", f"{shown.micros:,.1f} us"))
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in rows)
    return (
        f'<li><img src="{_picture(shown.image)}" alt="{escape(shown.name)}">'
        f"<b>{escape(shown.label)}</b> <small>{escape(shown.name)}</small><dl>{facts}</dl></li>"
    )


def _picture(image: np.ndarray) -> str:
    """A data address of the pixels, as PNG."""
    pixels = image.transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
