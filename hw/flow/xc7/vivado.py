"""Vivado, from the Verilog source to a bitstream, and what its reports say.

The script is Amaranth's for its Xilinx boards (``top.tcl``). Vivado synthesises by itself, so its
own count of cells replaces that of the netlist.
"""

import re
from pathlib import Path

from hw.flow.netlist import DESIGN
from hw.flow.progress import Stage
from hw.flow.resources import Resources
from hw.flow.timing import Timing, read_timing
from hw.flow.tools import run_tool
from hw.flow.xc7.router import VIVADO
from model.errors import CheckError

__all__ = ["read_resources", "read_vivado_timing", "run_vivado"]

LOG = f"{DESIGN}.vivado.log"
TIMING = f"{DESIGN}_timing.rpt"
CELLS = f"{DESIGN}_utilization_place.rpt"
# Rows of report_utilization; an asterisk may follow.
_ROWS = {
    "lut": "Slice LUTs",
    "lutram": "LUT as Memory",
    "ff": "Slice Registers",
    "bram": "Block RAM Tile",
    "dsp": "DSPs",
}


def run_vivado(folder: Path, clock_mhz: float, stage: Stage) -> tuple[Timing, Resources, Path]:
    """Make ``top.bit`` of ``top.v``, ``top.xdc`` and ``top.tcl``.

    Returns the clock's timing, what was placed, and the bitstream. Raises CheckError when Vivado
    fails, analysed another clock than ``clock_mhz``, or could not keep hold times.
    """
    arguments = ["-mode", "batch", "-nojournal", "-nolog", "-source", f"{DESIGN}.tcl"]
    run_tool(VIVADO, arguments, folder, folder / LOG, stage)
    timing = read_vivado_timing(_report(folder, TIMING), clock_mhz)
    bitstream = folder / f"{DESIGN}.bit"
    if not bitstream.exists():
        raise CheckError(f"vivado made no bitstream (log: {folder / LOG})")
    return timing, read_resources(_report(folder, CELLS)), bitstream


def _report(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(errors="replace")
    except FileNotFoundError:
        raise CheckError(f"vivado wrote no {name} (log: {folder / LOG})") from None


def read_vivado_timing(report: str, clock_mhz: float) -> Timing:
    """The clock asked for, out of report_timing_summary.

    "Clock Summary" has each clock's frequency, "Intra Clock Table" its worst slack: what it could
    have been faster by. Raises CheckError when no clock has that frequency, or where the worst hold
    slack is negative.
    """
    periods, slacks = {}, {}
    for line in _table(report, "Clock Summary"):
        if match := re.match(r"\s*(\S+)\s+\{.*?\}\s+([\d.]+)\s+[\d.]+", line):
            periods[match[1]] = float(match[2])
    for line in _table(report, "Intra Clock Table"):
        if match := re.match(r"\s*(\S+)\s+(-?\d+\.\d+)\s", line):
            slacks[match[1]] = float(match[2])
    for line in _table(report, "Design Timing Summary"):
        numbers = re.findall(r"-?\d+\.\d+", line)
        if len(numbers) >= 3 and (hold := float(numbers[2])) < 0:
            raise CheckError(f"vivado could not keep hold times: {-hold:g} ns short ({TIMING})")
    clocks = {
        name: {"achieved": 1000 / (periods[name] - slack), "constraint": 1000 / periods[name]}
        for name, slack in slacks.items()
        if name in periods
    }
    slowest_first = sorted(clocks.items(), key=lambda item: item[1]["achieved"])
    return read_timing({"fmax": dict(slowest_first)}, clock_mhz, tool="Vivado")


def _table(report: str, title: str) -> list[str]:
    """Lines below a title, up to the next one."""
    _, _, rest = report.partition(f"| {title}\n")
    return re.split(r"^\| [A-Z]", rest, maxsplit=1, flags=re.MULTILINE)[0].splitlines()


def read_resources(report: str) -> Resources:
    """Cells out of report_utilization; raises CheckError where a row is missing."""
    used = {}
    for name, row in _ROWS.items():
        match = re.search(rf"^\|\s*{row}\*?\s*\|\s*([\d.]+)\s*\|", report, re.MULTILINE)
        if not match:
            raise CheckError(f"vivado's {CELLS} has no row {row!r}")
        used[name] = float(match[1])
    return Resources(**{name: n if name == "bram" else int(n) for name, n in used.items()})
