"""nextpnr, whose programs for all families take the same options and write the same report."""

import json
from collections.abc import Sequence
from pathlib import Path

from hw.flow.netlist import DESIGN
from hw.flow.progress import Stage
from hw.flow.timing import Timing, component_paths, read_timing
from hw.flow.tools import Tool, run_tool

__all__ = ["route"]

SEED = 1


def route(
    tool: Tool, arguments: Sequence[str], folder: Path, clock_mhz: float, stage: Stage
) -> Timing:
    """Place and route ``top.json``; ``arguments`` name the part, the pins and the result.

    Raises CheckError when nextpnr fails or analysed another clock than ``clock_mhz``; a clock
    that is not reached is the caller's to judge.
    """
    common = [
        "--quiet", "--json", f"{DESIGN}.json", "--report", f"{DESIGN}.timing.json",
        "--timing-allow-fail", "--seed", str(SEED),
    ]  # fmt: skip
    run_tool(tool, [*common, *arguments], folder, folder / f"{DESIGN}.nextpnr.log", stage)
    with open(folder / f"{DESIGN}.il", encoding="utf-8") as source:
        components = component_paths(source, DESIGN)
    report = json.loads((folder / f"{DESIGN}.timing.json").read_text())
    return read_timing(report, clock_mhz, components)
