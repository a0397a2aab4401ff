"""A report's files: each appears whole or not at all, and none of an earlier run is left."""

import json
import logging
from pathlib import Path

from model.errors import UserError
from model.files import make_folder, write_text, write_whole

__all__ = [
    "FIGURES", "HTML", "JSON", "MARKDOWN", "TENSORS", "json_text", "prepare_folder",
    "write_report",
]  # fmt: skip

# Its hints about a cache of its own are not for this project's user.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

JSON, MARKDOWN, HTML, TENSORS = "report.json", "report.md", "report.html", "tensors.npz"
FIGURES = ("cycles.png", "lanes.png", "roofline.png", "traffic.png", "misclassified.png")


def prepare_folder(
    folder: Path, names: tuple[str, ...] = (JSON, MARKDOWN, HTML, TENSORS, *FIGURES)
) -> None:
    """Make the report's folder ready and remove what an earlier run left; raises UserError.

    A run that fails or is interrupted then leaves no report that could be taken for its own.
    """
    make_folder(folder)
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{folder / name}: cannot be removed: {error.strerror}") from error


def write_report(report: dict, folder: Path) -> None:
    """Write every form of a report into the folder; raises UserError.

    A partial run gets no PNGs: they are for papers, and Ctrl-C should end soon.
    """
    # Here, because a run's start should not wait for what only its end needs.
    from sim.report.page import page
    from sim.report.paper import figures
    from sim.report.text import markdown

    try:
        write_text(folder / JSON, json_text(report) + "\n")
        write_text(folder / MARKDOWN, markdown(report) + "\n")
        write_text(folder / HTML, page(report))
        if not report["partial"]:
            for name, save in figures(report).items():
                write_whole(folder / name, save)
    except UserError:
        # Half a report is none.
        prepare_folder(folder)
        raise


def json_text(value: object, indent: str = "") -> str:
    """JSON with a line an entry, but lists of plain values in one line."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        entries = (f"{json.dumps(key)}: {json_text(item, inner)}" for key, item in value.items())
        brackets = "{}"
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        entries = (json_text(item, inner) for item in value)
        brackets = "[]"
    else:
        return json.dumps(value)
    body = ",\n".join(inner + entry for entry in entries)
    return f"{brackets[0]}\n{body}\n{indent}{brackets[1]}"
