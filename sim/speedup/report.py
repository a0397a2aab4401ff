"""``report.json`` and the other forms of a report, and its entries about itself."""

from pathlib import Path

from model.files import write_text, write_whole
from sim.report.files import json_text, prepare_folder
from sim.report.origin import origin
from sim.speedup.options import Question
from sim.speedup.published import PUBLISHED, PUBLISHED_ENTRIES, PUBLISHED_LOOKUPS, SOURCE
from sim.stacks import STACKS

__all__ = ["FILES", "JSON", "MARKDOWN", "PICTURE", "build_report", "prepare", "write_report"]

JSON, MARKDOWN, PICTURE = FILES = ("report.json", "report.md", "report.png")


def build_report(question: Question, rows: list[dict], engine: str, command: str) -> dict:
    """The report as plain values."""
    figure = PUBLISHED.get((question.net, question.bits))
    return {
        "net": question.net,
        "bits": question.bits,
        "tau": question.tau,
        "kernel_applications": STACKS[question.net].kernel_applications,
        "published": figure
        and {
            "speedup": figure,
            "entries": PUBLISHED_ENTRIES,
            "lookups": PUBLISHED_LOOKUPS,
            "source": SOURCE,
        },
        "rows": rows,
        **origin(engine, command),
    }


def prepare(folder: Path) -> None:
    """Make the folder ready and remove an earlier report from it; raises UserError."""
    prepare_folder(folder, FILES)


def write_report(report: dict, folder: Path) -> None:
    """Write every form of the report; raises UserError."""
    # Here, because a run's start should not wait for what only its end needs.
    from sim.speedup.chart import draw
    from sim.speedup.text import markdown

    write_text(folder / JSON, json_text(report) + "\n")
    write_text(folder / MARKDOWN, markdown(report) + "\n")
    write_whole(folder / PICTURE, lambda file: draw(report, file))
