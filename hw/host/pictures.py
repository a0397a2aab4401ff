"""Picture files as a network's images: decoded, cut to its shape from the middle, scaled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from model.errors import UserError

__all__ = ["ENDINGS", "find_pictures", "read_picture"]

ENDINGS = (".png", ".jpg", ".jpeg")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def find_pictures(places: list[str]) -> list[Path]:
    """The named files, and of the named folders every PNG and JPEG file, by name.

    Raises UserError for a place that is not there, a folder without any, and what is no picture.
    """
    found: list[Path] = []
    for place in map(Path, places):
        if place.is_dir():
            inside = sorted(file for file in place.iterdir() if file.suffix.lower() in ENDINGS)
            if not inside:
                raise UserError(f"{place}: no picture in this folder ({', '.join(ENDINGS)})")
            found += inside
        elif place.exists():
            found.append(place)
        else:
            raise UserError(f"{place}: no such file or folder")
    for file in found:
        with _opened(file):
            pass  # its head alone was read: enough to know
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture in a file; raises UserError where there is none, or its data end too soon."""
    try:
        with Image.open(path) as picture:
            yield picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        what = str(error).removesuffix(repr(str(path))).strip()
        raise UserError(f"{path}: not a picture that can be read ({what})") from error


def read_picture(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """A picture as uint8 [colours, height, width].

    The data sets that networks are trained on come in that size already: so a picture is made as
    theirs were, the largest part from the middle that has the shape, averaged down (Lanczos).
    Transparent parts become black. Raises UserError for what is no picture.
    """
    colours, height, width = shape
    if colours not in MODES:
        raise UserError(f"no picture has the {colours} colours that the network takes")
    with _opened(path) as file:
        picture = ImageOps.exif_transpose(file)
        if "A" in picture.getbands() or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            black = Image.new("RGBA", picture.size, "black")
            picture = Image.alpha_composite(black, picture)
        picture = picture.convert(MODES[colours])
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, np.uint8).reshape(height, width, colours)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
