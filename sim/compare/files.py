"""A comparison's files: each appears whole or not at all, and none of an earlier one is left."""

from pathlib import Path

from model.files import write_text, write_whole
from sim.report.files import json_text, prepare_folder

__all__ = ["FIGURE", "HTML", "JSON", "MARKDOWN", "write_comparison"]

JSON, MARKDOWN = "compare.json", "compare.md"
HTML, FIGURE = "compare.html", "compare.png"


def write_comparison(comparison: dict, folder: Path) -> None:
    """Write every form of a comparison into the folder; raises UserError."""
    from sim.compare.page import page
    from sim.compare.paper import figure
    from sim.compare.text import markdown

    prepare_folder(folder, (JSON, MARKDOWN, HTML, FIGURE))
    write_text(folder / JSON, json_text(comparison) + "\n")
    write_text(folder / MARKDOWN, markdown(comparison) + "\n")
    write_text(folder / HTML, page(comparison))
    write_whole(folder / FIGURE, lambda file: figure(comparison, file))
