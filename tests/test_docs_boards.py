"""The boards' pages and the data sheet: a page a board, commands and links that exist, figures that
are those of today's engine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hw.boards import BOARDS
from hw.datasheet import PAGE, figures, with_figures

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "boards"


def commands() -> dict[str, set[str]]:
    """What the pages run, up to the first option, and the options."""
    found = {}
    for page in FOLDER.glob("*.md"):
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M):
            for words, rest in re.findall(r"^python -m ([\w.]+(?: \w+)?)(.*)$", block, re.M):
                found.setdefault(words, set()).update(re.findall(r"(?<=\s)--[\w-]+", rest))
    return found


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_has_a_page(name):
    text = (FOLDER / f"{name}.md").read_text("utf-8")
    assert f"hw.build --board {name}" in text and f"hw.plan --board {name}" in text
    assert f"({name}.md)" in (FOLDER / "README.md").read_text("utf-8")


@pytest.mark.parametrize(("words", "options"), commands().items(), ids=commands())
def test_commands_exist(words, options):
    told = subprocess.run(
        [sys.executable, "-m", *words.split(), "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    for option in options:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", told.stdout), f"{words} {option}"


def test_links_lead_somewhere():
    for page in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_data_sheet_is_todays():
    """Else: python -m hw.datasheet --write."""
    page = PAGE.read_text("utf-8")
    assert with_figures(page, figures()) == page
