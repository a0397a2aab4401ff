"""Synthesises single units and lists what they take: ``python -m hw.synth --unit NAME|all``.

Writes OUT/FAMILY.json and compares with the records in ``hw/synth_history.jsonl``, to which
``--record`` adds. ``--fmax`` places and routes as well (ECP5-85F, speed grade 6, without pins).
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from hw.flow import synth_history
from hw.flow.mapping import mapping
from hw.flow.progress import Stage
from hw.flow.resources import FAMILIES, Resources, count_cells
from hw.flow.tools import NEXTPNR_ECP5, YOSYS, find_tool, run_tool
from hw.units import UNITS
from model.errors import UserError, run_command
from model.files import git_commit, write_text

__all__ = ["main", "synthesise"]

PART = ("--85k", "--package", "CABGA381", "--speed", "6")
ROUTE = (*PART, "--out-of-context", "--freq", "100", "--seed", "1", "--timing-allow-fail")


def synthesise(
    text: str, top: str, family: str, *, fmax: bool = False
) -> tuple[Resources, float | None]:
    """Resources of module ``top`` of RTLIL, without I/O buffers; with ``fmax`` its clock in MHz.

    The clock is None where it is not asked for, and of a unit without a path from one register
    to another, which has none. Raises UserError when a tool is missing, CheckError when one fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, stage = Path(name), Stage(top)
        (folder / "unit.il").write_text(text)
        commands = mapping(family, top, ports=False)
        script = f"read_rtlil unit.il; {commands}; tee -q -o stat.json stat -json"
        if fmax:
            script += "; write_json unit.json"
        run_tool(YOSYS, ["-q", "-p", script], folder, folder / "yosys.log", stage)
        resources = count_cells(json.loads((folder / "stat.json").read_text()), family)
        if not fmax:
            return resources, None
        arguments = ["--quiet", *ROUTE, "--json", "unit.json", "--report", "timing.json"]
        run_tool(NEXTPNR_ECP5, arguments, folder, folder / "nextpnr.log", stage)
        clocks = json.loads((folder / "timing.json").read_text())["fmax"]
        return resources, min((figures["achieved"] for figures in clocks.values()), default=None)


def _report(name: str, options: argparse.Namespace) -> dict:
    unit = UNITS[name]
    started = time.monotonic()
    try:
        text, top = unit.make(options)
    except ValueError as error:
        raise UserError(str(error)) from None
    resources, clock = synthesise(text, top, options.family, fmax=options.fmax)
    applications = options.pixels * options.channels if unit.applies_kernels else None
    return {
        "unit": name,
        "parameters": {key: getattr(options, key) for key in unit.parameters},
        **vars(resources),
        "fmax_mhz": clock and round(clock, 1),
        "kernel_applications": applications,
        "lut_per_kernel_application": applications and round(resources.lut / applications, 2),
        "seconds": round(time.monotonic() - started, 1),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hw.synth", description=__doc__)
    parser.add_argument("--unit", choices=[*UNITS, "all"], default="all")
    parser.add_argument("--family", choices=FAMILIES, default="xc7")
    parser.add_argument("--pixels", type=int, default=32, help="lanes")
    parser.add_argument("--channels", type=int, default=16, help="input channels a cycle")
    parser.add_argument("--tau", type=int, default=5, help="bits of an index (arrays)")
    parser.add_argument("--general", action="store_true", help="codebooks that are not antipodal")
    parser.add_argument("--fill", type=int, default=4, help="dot9 units a lane (shared array)")
    parser.add_argument("--fmax", action="store_true", help="place and route, too (ecp5)")
    parser.add_argument("--against", metavar="COMMIT", help="compare with this one's records")
    parser.add_argument("--record", action="store_true", help="add to hw/synth_history.jsonl")
    parser.add_argument("--out", type=Path, default=Path("build/synth"), help="folder")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Synthesises the units asked for, prints a table and writes OUT/FAMILY.json."""
    options = _parser().parse_args(arguments)
    if options.fmax and options.family != "ecp5":
        raise UserError("--fmax needs --family ecp5: only there is a router at hand")
    find_tool(YOSYS)  # or say what is missing before any work
    history = synth_history.read_history(synth_history.HISTORY)
    if options.against and not any(r["commit"].startswith(options.against) for r in history):
        raise UserError(f"--against {options.against}: no record of this commit")
    names = list(UNITS) if options.unit == "all" else [options.unit]
    columns = ("lut", "lutram", "ff", "bram", "dsp", "fmax_mhz", "lut_per_kernel_application")
    heads = (name.replace("_per_kernel_application", "/k.a.") for name in columns)
    print(f"{'unit':25}", *(f"{head:>8}" for head in heads), f"{'lut before':>11}")
    rows, records = [], []
    for name in names:
        print(f"{name:25}", end=" ", flush=True)
        row = _report(name, options)
        record = {"commit": git_commit() or "unknown", "family": options.family, **row}
        past = synth_history.earlier(history, record, options.against)
        cells = ["-" if row[key] is None else row[key] for key in columns]
        print(*(f"{cell:>8}" for cell in cells), f"{past['lut'] if past else '-':>11}", flush=True)
        rows.append(row)
        records.append(record)
    path = options.out / f"{options.family}.json"
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(rows, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {options.out}: {error.strerror}") from None
    if options.record:
        synth_history.append(synth_history.HISTORY, records)
    print(path)


if __name__ == "__main__":
    run_command(main)
