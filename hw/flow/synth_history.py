"""What units took at earlier commits: ``hw/synth_history.jsonl``, a row a line.

A row is what ``python -m hw.synth`` writes for a unit, and its ``commit`` and ``family``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.errors import UserError

__all__ = ["HISTORY", "append", "earlier", "read_history"]

HISTORY = Path(__file__).parent.parent / "synth_history.jsonl"
_SAME = ("family", "unit", "parameters")


def read_history(path: Path) -> list[dict]:
    """Rows, the oldest first; none where there is no file. Raises UserError for a broken line."""
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            raise UserError(f"{path}: line {number} is no JSON") from None
    return rows


def earlier(rows: Sequence[Mapping], row: Mapping, commit: str | None = None) -> Mapping | None:
    """The last recorded row of the same unit, family and parameters (of a commit), if any."""
    for past in reversed(rows):
        if commit is not None and not str(past["commit"]).startswith(commit):
            continue
        if all(past[key] == row[key] for key in _SAME):
            return past
    return None


def append(path: Path, rows: Sequence[Mapping]) -> None:
    """Adds rows to the file. Raises UserError where it cannot be written."""
    try:
        with path.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
