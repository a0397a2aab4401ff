"""A save file for GTKWave: the signals of a dump in groups, in the order of the data flow."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

from vcd.gtkw import GTKWSave

from hw.engine_program import Program
from model.files import write_text
from sim.waves.flow import FLOW, LANES, Group, Row
from sim.waves.names import ROOT
from sim.waves.vcd import PERIOD_NS, Var

__all__ = ["write_savefile"]

WIDTH, HEIGHT = 1500, 1000
# Of the names, and of what is left for the waves beside them.
NAMES_WIDTH, WAVES_WIDTH, STRETCH = 230, 950, 200
# Shown at first where a cycle is marked. GTKWave starts there if the dump fills the window.
MARKED_CYCLES, BEFORE_MARK = 40, 30


def write_savefile(
    path: Path,
    dump: Path,
    variables: Sequence[Var],
    program: Program,
    cycles: range,
    mark: int | None = None,
) -> None:
    """Write the save file for ``dump``, which holds ``variables`` in ``cycles``.

    ``mark`` is a cycle to put the marker at. Only variables in the dump are named. Raises
    UserError where the file cannot be written.
    """
    text = io.StringIO()
    save = GTKWSave(text)
    save.dumpfile(str(dump))
    save.savefile(str(path))
    # All of it, or the cycles about the mark.
    start, shown = cycles.start, len(cycles)
    if mark is not None:
        start, shown = max(start, mark - BEFORE_MARK), min(shown, MARKED_CYCLES)
    save.timestart(PERIOD_NS * start)
    save.size(WIDTH, HEIGHT)
    # GTKWave shows 2^-zoom units of time in each stretch of so many pixels.
    zoom = -math.log2(PERIOD_NS * shown * STRETCH / WAVES_WIDTH)
    save.zoom_markers(zoom, -1 if mark is None else PERIOD_NS * mark)
    save.sst_expanded(False)
    save.signals_width(NAMES_WIDTH)
    shape = program.parameters
    save.blank(
        f"{program.network.name}, {shape.array} array, {shape.pixels} x {shape.channels}; "
        f"cycle n is at {PERIOD_NS} n ns"
    )
    known = {_full_name(variable): variable for variable in variables}
    for group in FLOW:
        rows = [shown for row in group.rows for shown in _find(group, row, known)]
        if not rows:
            continue
        if group.title:
            save.begin_group(group.title, closed=group.closed)
        for variable, title, form in rows:
            bits = f"[{variable.bits - 1}:0]" if variable.bits > 1 else ""
            save.trace(variable.reference + bits, alias=title, datafmt=form)
        if group.title:
            save.end_group(group.title, closed=group.closed)
    write_text(path, text.getvalue())


def _full_name(variable: Var) -> str:
    return ".".join((*variable.path, variable.name))


def _find(group: Group, row: Row, known: dict[str, Var]) -> list[tuple[Var, str, str]]:
    """Variable, title and format of a row: itself, or its fields, or its first elements."""
    name = ".".join(part for part in (ROOT, group.component, row.name) if part)
    title = row.title or row.name
    if name in known:
        return [(known[name], title, row.format)]
    lanes = [f"{name}[{lane}]" for lane in range(LANES)]
    found = [(known[lane], f"{title} {lane[-2]}", row.format) for lane in lanes if lane in known]
    fields = [full for full in known if full.startswith(f"{name}.")]
    return found + [(known[full], full.removeprefix(f"{name}."), row.format) for full in fields]
