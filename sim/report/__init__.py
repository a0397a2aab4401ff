"""The report of a simulation, in four forms made from one data structure.

``report.json`` for programs is that data structure (`build_report`); ``report.md`` for a terminal
or a pull request, ``report.html`` one self-contained page, and PNG files for a paper are made from
it alone, and so can be made again from the file.
"""

from sim.report.data import build_report
from sim.report.files import (
    FIGURES,
    HTML,
    JSON,
    MARKDOWN,
    TENSORS,
    prepare_folder,
    write_report,
)
from sim.report.setup import DEFAULT_CLOCK, Setup
from sim.report.terminal import terminal_tables

__all__ = [
    "DEFAULT_CLOCK",
    "FIGURES",
    "HTML",
    "JSON",
    "MARKDOWN",
    "TENSORS",
    "Setup",
    "build_report",
    "prepare_folder",
    "terminal_tables",
    "write_report",
]
