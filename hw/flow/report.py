"""The build's report: ``report.json`` for programs, ``report.md`` for people."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hw.flow.resources import Resources
from hw.flow.timing import Timing
from model.files import write_text

__all__ = [
    "BuildReport", "kind_table", "memory_table", "overfull", "remove_report", "resource_table",
    "write_report",
]  # fmt: skip

UNITS = {
    "xc7": {"lut": "LUT6", "lutram": "LUTs used as RAM", "ff": "flip-flops",
            "bram": "RAMB36", "dsp": "DSP48E1"},
    "ecp5": {"lut": "LUT4", "lutram": "LUTs used as RAM", "ff": "flip-flops",
             "bram": "DP16KD (18 kbit)", "dsp": "MULT18X18D"},
    "ice40": {"lut": "logic cells (LUT4 and flip-flop)", "ff": "flip-flops",
              "bram": "SB_RAM40_4K (4 kbit)", "dsp": "SB_MAC16"},
    "gowin": {"lut": "LUT4", "lutram": "LUTs used as RAM", "ff": "flip-flops",
              "bram": "BSRAM (18 kbit)", "dsp": "MULT18X18"},
    "gatemate": {"lut": "CPE halves", "ff": "flip-flops", "bram": "block RAM (40 kbit)"},
}  # fmt: skip


@dataclass
class BuildReport:
    """What a build made. The fields are the keys of ``report.json``.

    ``stage`` is "netlist" or "bitstream"; ``fmax_mhz``, ``timing_met`` and ``critical_path``
    (`hw.flow.timing.CriticalPath` and its words under "text") are None at "netlist".
    ``cycles_per_image`` is predicted, and ``images_per_second`` the engine's own pace at
    ``clock_mhz``, image after image; ``serial_images_per_second`` is what the board's serial line
    lets through. ``memories`` says what each holds (`hw.flow.memories`), ``block_fill`` which share
    of the bits of all block RAM taken that is, ``fill_by_kind`` the same for weights, thresholds,
    activations, these three and the rest. ``seconds`` is the whole run, ``stage_seconds`` its
    parts. ``flow`` is "open", "vivado" or "netlist"; ``risks`` what the flow's router is known to
    get wrong in this netlist, so that it was not routed; ``routed`` the router's count of cells.
    """

    board: str
    title: str
    family: str
    part: str
    stage: str
    tools: dict[str, str]
    command: str
    commit: str | None
    model: dict[str, object]
    parameters: dict[str, object]
    choice: str
    resources: dict[str, dict[str, float]]
    fits: bool
    clock_mhz: float
    fmax_mhz: float | None
    timing_met: bool | None
    cycles_per_image: int
    images_per_second: float
    serial_images_per_second: float
    seconds: float
    stage_seconds: dict[str, float]
    products: list[str]
    layers: list[dict[str, object]] = field(default_factory=list)
    memories: list[dict[str, object]] = field(default_factory=list)
    block_fill: float | None = None
    flow: str = "open"
    risks: list[str] = field(default_factory=list)
    routed: dict[str, dict[str, int]] = field(default_factory=dict)
    critical_path: dict[str, object] | None = None
    fill_by_kind: dict[str, dict[str, float | None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def reached(self, bitstream: Path, timing: Timing) -> None:
        """There is a bitstream, and the router said how fast it is."""
        self.stage = "bitstream"
        self.products.append(bitstream.name)
        self.fmax_mhz, self.timing_met = round(timing.fmax_mhz, 2), timing.met
        self.critical_path = timing.plain()


def resource_table(used: Resources, available: dict[str, int]) -> dict[str, dict[str, float]]:
    """``{"lut": {"used", "available"}, ...}``."""
    return {
        name: {"used": getattr(used, name), "available": available[name]} for name in available
    }


def overfull(resources: dict[str, dict[str, float]]) -> list[str]:
    """Names of the resources of which the design needs more than the part has."""
    return [name for name, row in resources.items() if row["used"] > row["available"]]


def remove_report(folder: Path) -> None:
    """Remove the report of an earlier run."""
    for name in ("report.json", "report.md"):
        (folder / name).unlink(missing_ok=True)


def write_report(report: BuildReport, folder: Path) -> None:
    """Write both files, each in one step: nobody ever sees half of one."""
    write_text(folder / "report.md", to_markdown(report))
    write_text(folder / "report.json", json.dumps(asdict(report), indent=2) + "\n")


def to_markdown(report: BuildReport) -> str:
    """The report as a page."""
    lines = [
        f"# {report.model['name']} on {report.title} ({report.part})",
        "",
        f"`{report.command}`",
        "",
        f"Stage reached: **{report.stage}**. Files: "
        + ", ".join(f"`{name}`" for name in report.products)
        + ".",
        "",
        "| resource | used | available | share |",
        "|---|---:|---:|---:|",
    ]
    for name, row in report.resources.items():
        unit = UNITS[report.family][name]
        share = row["used"] / row["available"]
        lines.append(f"| {unit} | {row['used']:,g} | {row['available']:,g} | {share:.1%} |")
    if report.routed:
        cells = {
            kind: f"{row['used']:,} of {row['available']:,}" for kind, row in report.routed.items()
        }
        lines += ["", f"Cells by the router's own count: {_items(cells)}."]
    lines += ["", *_pace(report), "", f"Parameters: {_items(report.parameters)}.", report.choice]
    if report.layers:
        lines += ["", "| layer | cycles | useful |", "|---|---:|---:|"]
        for layer in report.layers:
            share = layer["useful"] / layer["cycles"] if layer["cycles"] else 0
            lines.append(f"| {layer['name']} | {layer['cycles']:,} | {share:.1%} |")
    if report.memories:
        lines += ["", *_memories(report)]
    if report.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in report.notes)]
    lines += [
        "",
        f"Tools: {_items(report.tools)}. Commit: {report.commit or 'none'}. "
        f"{report.seconds:.0f} s ({_items(report.stage_seconds)}).",
        "",
    ]
    return "\n".join(lines)


def _memories(report: BuildReport) -> list[str]:
    """What each memory holds, what of its cells is padding, and the same by kind."""
    lines = memory_table(report.memories)
    if report.block_fill is not None:
        lines += ["", *kind_table(report.fill_by_kind)]
    return lines


def memory_table(memories: list[dict[str, object]]) -> list[str]:
    """A line a memory, from `hw.flow.memories.MemoryUse.plain`."""
    lines = [
        "| memory | kind | words x bits | bits held | padding | cells | full |",
        "|---|---|---:|---:|---:|---|---:|",
    ]
    for memory in memories:
        shape = f"{memory['words']:,} x {memory['width']:,}"
        if memory["count"] > 1:
            shape = f"{memory['count']} of {shape}"
        cells = ", ".join(f"{number} {kind}" for kind, number in memory["cells"].items())
        full = "-" if memory["fill"] is None else f"{memory['fill']:.1%}"
        name = memory["name"].replace("*", "\\*")
        lines.append(
            f"| {name} | {memory['kind']} | {shape} | {memory['bits']:,} | {memory['padding']:,} "
            f"| {cells or 'logic'} | {full} |"
        )
    return lines


def kind_table(rows: dict[str, dict[str, float | None]]) -> list[str]:
    """A line a kind, from `hw.flow.memories.fill_by_kind`."""
    lines = ["| in block RAM | bits held | bits taken | full |", "|---|---:|---:|---:|"]
    for kind, row in rows.items():
        full = "-" if row["fill"] is None else f"{row['fill']:.1%}"
        name = "weights, thresholds, activations" if kind == "network" else kind
        lines.append(f"| {name} | {row['bits']:,} | {row['capacity']:,} | {full} |")
    return lines


def _pace(report: BuildReport) -> list[str]:
    """Clock, timing and images per second."""
    if report.fmax_mhz is None:
        timing = "not known before place and route"
    else:
        verdict = "met" if report.timing_met else "**MISSED**"
        timing = f"{report.fmax_mhz:.2f} MHz from the router: {verdict}"
    path = report.critical_path
    return [
        f"Clock {report.clock_mhz:g} MHz; highest clock {timing}.",
        *([f"Critical path: {path['text']}."] if path else ()),
        f"{report.cycles_per_image:,} cycles an image (predicted), so "
        f"{report.images_per_second:,.0f} images/s from the engine; the serial line passes "
        f"{report.serial_images_per_second:,.0f} images/s.",
    ]


def _items(values: dict) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
