"""Synthesises single units and lists what they take: ``python -m hw.synth --unit NAME|all``."""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from hw.array import BorderCorrection, make_array
from hw.array.codebook import IndexDecoder
from hw.flow.mapping import mapping
from hw.flow.resources import FAMILIES, Resources, count_cells
from hw.flow.tools import YOSYS, find_tool
from hw.params import ArrayParameters
from model.errors import UserError, run_command

__all__ = ["UNITS", "Unit", "main", "synthesise"]


@dataclass(frozen=True)
class Unit:
    """How to make a unit from the options of the command line, and what it computes a cycle."""

    make: Callable[[argparse.Namespace], wiring.Component]
    parameters: tuple[str, ...]
    applies_kernels: bool = False


def _shape(kind: str, options: argparse.Namespace) -> ArrayParameters:
    fill = options.fill if kind == "shared" else 0
    antipodal = not options.general and options.tau != 9
    return ArrayParameters(kind, options.pixels, options.channels, options.tau, antipodal, fill)


_ARRAY = ("pixels", "channels", "tau", "general")

#: The units that can be synthesised on their own; a new unit is one more line.
UNITS = {
    "direct_array": Unit(lambda o: make_array(_shape("direct", o)), _ARRAY, True),
    "shared_array": Unit(lambda o: make_array(_shape("shared", o)), (*_ARRAY, "fill"), True),
    "index_decoder": Unit(
        lambda o: IndexDecoder(_shape("direct", o)), ("channels", "tau", "general")
    ),
    "border_correction": Unit(
        lambda o: BorderCorrection(o.pixels, o.channels, o.e_bits),
        ("pixels", "channels", "e_bits"),
    ),
}


def synthesise(unit: wiring.Component, family: str) -> Resources:
    """Resources of a unit, synthesised alone for a family, without I/O buffers.

    Raises UserError when Yosys is missing or fails.
    """
    command = find_tool(YOSYS)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "unit.il").write_text(rtlil.convert(unit))
        commands = mapping(family, "top", ports=False)
        script = f"read_rtlil unit.il; {commands}; tee -q -o stat.json stat -json"
        done = subprocess.run(
            [*command, "-q", "-p", script], cwd=folder, capture_output=True, text=True
        )
        if done.returncode:
            reason = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise UserError(f"Yosys failed: {reason}")
        return count_cells(json.loads((Path(folder) / "stat.json").read_text()), family)


def _report(name: str, options: argparse.Namespace) -> dict:
    unit = UNITS[name]
    try:
        component = unit.make(options)
    except ValueError as error:
        raise UserError(str(error)) from None
    started = time.monotonic()
    resources = synthesise(component, options.family)
    applications = options.pixels * options.channels if unit.applies_kernels else None
    return {
        "unit": name,
        "parameters": {key: getattr(options, key) for key in unit.parameters},
        **vars(resources),
        "fmax_mhz": None,
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
    parser.add_argument("--tau", type=int, default=5, help="bits of an index")
    parser.add_argument("--general", action="store_true", help="codebooks that are not antipodal")
    parser.add_argument("--fill", type=int, default=4, help="dot9 units a lane (shared array)")
    parser.add_argument("--e-bits", type=int, default=12, help="bits of masked taps x c_in")
    parser.add_argument("--out", type=Path, default=Path("build/synth"), help="folder")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Synthesises the units asked for, prints a table and writes OUT/FAMILY.json."""
    options = _parser().parse_args(arguments)
    find_tool(YOSYS)  # or say what is missing before any work
    names = list(UNITS) if options.unit == "all" else [options.unit]
    columns = ("lut", "lutram", "ff", "bram", "dsp", "lut_per_kernel_application", "seconds")
    heads = (name.replace("_per_kernel_application", "/k.a.") for name in columns)
    print(f"{'unit':20}", *(f"{head:>9}" for head in heads))
    rows = []
    for name in names:
        print(f"{name:20}", end=" ", flush=True)
        row = _report(name, options)
        print(*(f"{'-' if row[key] is None else row[key]:>9}" for key in columns), flush=True)
        rows.append(row)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{options.family}.json"
        path.write_text(json.dumps(rows, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {options.out}: {error.strerror}") from None
    print(path)


if __name__ == "__main__":
    run_command(main)
