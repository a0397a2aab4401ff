"""The plan's report: ``report.json`` for programs, ``report.md`` for people."""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from hw.plan.point import Plan
from hw.plan.text import HEADINGS, cells
from model.files import git_commit, write_text
from model.network import Network

__all__ = ["JSON", "MARKDOWN", "PICTURE", "write_report"]

JSON, MARKDOWN, PICTURE = "report.json", "report.md", "pareto.png"


def write_report(
    network: Network,
    plans: list[Plan],
    front: list[Plan],
    checked: list[dict],
    folder: Path,
    command: str,
) -> list[str]:
    """Write both files; returns the names of all that there is. Raises UserError."""
    page = {
        "network": network.name,
        "plans": [asdict(one) for one in plans],
        "front": [asdict(one) for one in front],
        "checked": checked,
        "command": command,
        "commit": git_commit(),
        "versions": {"amaranth": version("amaranth")},
    }
    write_text(folder / JSON, json.dumps(page, indent=1) + "\n")
    write_text(folder / MARKDOWN, _markdown(network, plans, front, checked, command))
    if not front:
        (folder / PICTURE).unlink(missing_ok=True)
        return [JSON, MARKDOWN]
    return [JSON, MARKDOWN, PICTURE]


def _markdown(
    network: Network, plans: list[Plan], front: list[Plan], checked: list[dict], command: str
) -> str:
    lines = [f"# Plan for {network.name}", "", *_rows(plans), ""]
    lines += [f"- {one.board}: {one.reason}" for one in plans]
    lines += [f"- {one.board}: clock: {one.clock_basis}" for one in plans]
    lines += ["", "Cycles are exact, resources estimated; images/s are at the clock asked for."]
    if front:
        lines += ["", "## Pareto front: images a second against LUTs", "", *_rows(front)]
        lines += ["", f"![images a second against LUTs and against index bits]({PICTURE})"]
    if checked:
        lines += ["", "By Yosys, in the order of the front:", ""]
        lines += [f"- {found['lut']:,} LUT, {found['bram']:g} block RAM" for found in checked]
    return "\n".join([*lines, "", "Made by:", "", f"    {command}", ""])


def _rows(plans: list[Plan]) -> list[str]:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(cells(one) for one in plans)]
    return ["| " + " | ".join(row) + " |" for row in rows]
