"""What a build for a 7-series part does once the netlist is there."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from hw.flow.flows import Flow
from hw.flow.netlist import DESIGN
from hw.flow.netlist_check import risky_cells
from hw.flow.report import BuildReport, overfull
from hw.flow.stages import Stages
from hw.flow.xc7.nextpnr import check_pins, pack, place_and_route
from hw.flow.xc7.router import VIVADO
from hw.flow.xc7.vivado import run_vivado

__all__ = ["finish"]


def finish(
    flow: Flow, report: BuildReport, netlist: Mapping, folder: Path, stages: Stages
) -> None:
    """Check the netlist, go on as far as the flow does, and write into ``report`` what came of it.

    A netlist that the flow's router would get wrong, or that does not fit, is not routed: both are
    the caller's to refuse. Vivado goes by its own synthesis and its own count, whatever the netlist
    is. Raises CheckError when a tool fails.
    """
    if flow.reason:
        report.notes.append(flow.reason)
    if flow.name == "vivado":
        _by_vivado(report, folder, stages)
        return
    with stages.stage("check", "check the netlist"):
        risky = risky_cells(netlist, *([flow.avoid] if flow.tools else []))
        check_pins(netlist, (folder / f"{DESIGN}.xdc").read_text())
    if flow.name == "netlist":
        report.notes += [f"Risky cells: {risk}" for risk in risky]
        report.products.append(f"{DESIGN}.tcl")
        return
    report.risks = risky
    report.tools |= {flow.tools.router.name.split()[0]: flow.tools.router.version}
    if report.fits and not risky:
        _by_nextpnr(flow, report, folder, stages)


def _by_nextpnr(flow: Flow, report: BuildReport, folder: Path, stages: Stages) -> None:
    tools, part = flow.tools, report.part
    with stages.stage("route", f"place and route for {part} ({tools.router.name})") as stage:
        routed = place_and_route(tools, part, folder, report.clock_mhz, stage)
    with stages.stage("pack", "bitstream (fasm2frames, xc7frames2bit)") as stage:
        bitstream = pack(tools, part, folder, stage)
    report.reached(bitstream, routed.timing)
    report.routed = routed.utilisation
    report.notes += routed.notes


def _by_vivado(report: BuildReport, folder: Path, stages: Stages) -> None:
    with stages.stage("vivado", f"bitstream for {report.part} (Vivado)") as stage:
        timing, used, bitstream = run_vivado(folder, report.clock_mhz, stage)
    for name, number in asdict(used).items():
        report.resources[name]["used"] = number
    report.fits = not overfull(report.resources)
    # Which memory lies where is known of the netlist only.
    report.memories, report.block_fill = [], None
    report.tools |= {VIVADO.name: _version((folder / f"{DESIGN}.vivado.log").read_text())}
    report.reached(bitstream, timing)


def _version(log: str) -> str:
    """Of Vivado's log, which begins "****** Vivado v2023.2 (64-bit)"."""
    words = log.split("Vivado v", 1)[1:]
    return words[0].split()[0] if words else "unknown"
