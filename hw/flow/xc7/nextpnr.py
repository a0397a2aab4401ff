"""Place and route for 7-series with nextpnr, and the bitstream with prjxray's tools."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hw.flow.netlist import DESIGN
from hw.flow.nextpnr import SEED
from hw.flow.progress import Stage
from hw.flow.timing import Timing, component_paths, read_timing
from hw.flow.tools import run_tool
from hw.flow.xc7.log import hold_violations, read_clocks, read_utilisation
from hw.flow.xc7.open_tools import OpenTools
from hw.flow.xc7.router import FASM2FRAMES, FRAMES2BIT, MAINLINE
from model.errors import CheckError

__all__ = ["Routed", "check_pins", "pack", "place_and_route", "read_routed"]

LOG = f"{DESIGN}.nextpnr.log"
REPORT = f"{DESIGN}.timing.json"


@dataclass(frozen=True)
class Routed:
    """What the router said: timing of the design's clock, its cells, and remarks."""

    timing: Timing
    utilisation: dict[str, dict[str, int]]
    notes: list[str]


def place_and_route(
    tools: OpenTools, part: str, folder: Path, clock_mhz: float, stage: Stage
) -> Routed:
    """Make ``top.fasm`` of ``top.json`` and ``top.xdc``.

    The clock is told twice. The fork's versions up to 0.9.2 read ``create_clock`` but leave it on
    the pad, whatever is behind the buffer then gets 12 MHz; ``--freq`` is for them. In mainline
    ``create_clock`` comes through the buffer and the PLL, and beats ``--freq``.

    Raises CheckError when the router fails or analysed another clock than ``clock_mhz``; a clock
    that is not reached is the caller's to judge.
    """
    if tools.router.tool == MAINLINE:
        files = [
            "--device", part, "-o", f"xdc={DESIGN}.xdc", "-o", f"fasm={DESIGN}.fasm",
            "--report", REPORT,
        ]  # fmt: skip
    else:
        files = ["--xdc", f"{DESIGN}.xdc", "--fasm", f"{DESIGN}.fasm"]
    arguments = [
        "--quiet", "--chipdb", str(tools.chips), "--json", f"{DESIGN}.json", *files,
        "--freq", f"{clock_mhz:.6g}", "--seed", str(SEED), "--timing-allow-fail",
    ]  # fmt: skip
    run_tool(tools.router.tool, arguments, folder, folder / LOG, stage)
    return read_routed(folder, clock_mhz)


def read_routed(folder: Path, clock_mhz: float) -> Routed:
    """What the router left behind: its report where it wrote one, else its log.

    Raises CheckError when no clock was analysed at ``clock_mhz``.
    """
    log = (folder / LOG).read_text(errors="replace")
    report = {"fmax": read_clocks(log), "utilization": read_utilisation(log)}
    if (folder / REPORT).exists():
        report |= json.loads((folder / REPORT).read_text())
    # The design has one clock. Should a router make two of it, the slower counts.
    slowest_first = sorted(report["fmax"].items(), key=lambda item: item[1]["achieved"])
    with open(folder / f"{DESIGN}.il", encoding="utf-8") as source:
        components = component_paths(source, DESIGN)
    timing = read_timing(report | {"fmax": dict(slowest_first)}, clock_mhz, components)
    notes = []
    if short := hold_violations(log):
        notes.append(
            f"Hold times: the router names {short} paths as too short ({LOG}), by a rough estimate "
            "that counts some several times; it cannot mend them."
        )
    used = {kind: row for kind, row in report["utilization"].items() if row["used"]}
    return Routed(timing, used, notes)


def check_pins(module: Mapping, constraints: str) -> None:
    """Raise CheckError for a port without its pin or its voltage.

    The fork places a port without a pin anywhere, and says nothing.
    """
    for port in module.get("ports", {}):
        for setting in ("PACKAGE_PIN", "IOSTANDARD"):
            lines = [line.split() for line in constraints.splitlines() if f'"{port}"' in line]
            if not any(line[:2] == ["set_property", setting] for line in lines):
                raise CheckError(f"port {port} has no {setting} in {DESIGN}.xdc")


def pack(tools: OpenTools, part: str, folder: Path, stage: Stage) -> Path:
    """Make ``top.bit`` of ``top.fasm``. It holds the date: frames are what can be compared."""
    frames, bitstream = f"{DESIGN}.frames", f"{DESIGN}.bit"
    to_frames = ["--part", part, "--db-root", str(tools.parts), f"{DESIGN}.fasm", frames]
    run_tool(FASM2FRAMES, to_frames, folder, folder / f"{DESIGN}.fasm2frames.log", stage)
    to_bits = [
        "--part_file", str(tools.parts / part / "part.yaml"), "--part_name", part,
        "--frm_file", frames, "--output_file", bitstream,
    ]  # fmt: skip
    run_tool(FRAMES2BIT, to_bits, folder, folder / f"{DESIGN}.frames2bit.log", stage)
    return folder / bitstream
