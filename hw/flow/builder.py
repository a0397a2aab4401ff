"""The steps of a build, from a compiled network to a report."""

import platform
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import amaranth

from hw.boards import Board
from hw.boards.top import BoardTop
from hw.cycles import predict
from hw.engine import Engine
from hw.engine_program import Program
from hw.flow.flows import Flow
from hw.flow.memories import block_fill, fill_by_kind, memory_uses, program_contents
from hw.flow.netlist import DESIGN, elaborate, read_netlist, synthesise
from hw.flow.pll import PllSettings
from hw.flow.progress import Progress
from hw.flow.report import BuildReport, resource_table
from hw.flow.resources import count_cells
from hw.flow.routers import ROUTERS
from hw.flow.stages import Stages
from hw.flow.tools import YOSYS, Tool, tool_version
from hw.flow.xc7.finish import finish
from hw.link.identity import design_id
from hw.link.payloads import WORD_BYTES, reply_words
from hw.link.protocol import IMAGE, frame_bytes
from hw.top import BoardCore
from model.files import git_commit

__all__ = ["Request", "build", "tools_of"]

BITS_PER_BYTE = 10


@dataclass(frozen=True)
class Request:
    """What to build. ``settings`` are the PLL's, None where the oscillator is the clock.

    ``model`` is what the user called the network, ``choice`` why its parameters are what they
    are, ``command`` how the build was started, ``flow`` which way it goes on from the netlist.
    """

    board: Board
    program: Program
    model: str
    choice: str
    clock_mhz: Fraction
    settings: PllSettings | None
    baud: int
    folder: Path
    command: str
    flow: Flow

    def core(self) -> BoardCore:
        """The design without the board; raises ValueError for an impossible line speed."""
        return BoardCore(
            Engine(self.program),
            clock_hz=float(self.clock_mhz * 1_000_000),
            baud=self.baud,
            smallest_buffer=self.board.smallest_buffer,
        )


def tools_of(board: Board, flow: Flow) -> list[Tool]:
    """The programs from pip that a build for the board runs."""
    routed = board.router_options and flow.name == "open"
    return [YOSYS, *(ROUTERS[board.family].tools if routed else ())]


def build(request: Request, progress: Progress) -> BuildReport:
    """Run all steps; the report is returned, not written.

    A design that does not fit ends at the netlist, one that misses its clock is finished: both
    are the caller's to refuse. Raises CheckError when a tool fails.
    """
    board, folder, flow = request.board, request.folder, request.flow
    clock = Stages(progress)
    with clock.stage("tools", "tools") as stage:
        versions = {tool.name: tool_version(tool, stage) for tool in tools_of(board, flow)}
    with clock.stage("elaborate", "elaborate (Amaranth)"):
        elaborate(board, BoardTop(board, request.core(), request.settings), folder)
    with clock.stage("synthesise", f"synthesise for {board.part} (Yosys)") as stage:
        statistics = synthesise(board, folder, stage, flow.avoid)
        netlist = read_netlist(folder)
        used = count_cells(statistics, board.family, netlist)
        resources = resource_table(used, board.available)
    report = _report(request, resources, versions)
    with open(folder / f"{DESIGN}.il", encoding="utf-8") as source:
        contents = program_contents(request.program)
        memories = memory_uses(source, netlist["cells"], contents)
    report.memories = [memory.plain() for memory in memories]
    report.block_fill = block_fill(memories)
    report.fill_by_kind = fill_by_kind(memories)
    if board.family == "xc7":
        finish(flow, report, netlist, folder, clock)
    elif flow.name == "open" and report.fits:
        with clock.stage("route", f"place and route for {board.part} (nextpnr)") as stage:
            router = ROUTERS[board.family]
            timing = router.place_and_route(board, folder, report.clock_mhz, stage)
        with clock.stage("pack", f"bitstream ({router.tools[-1].name})") as stage:
            bitstream = router.pack(board, folder, stage)
        report.reached(bitstream, timing)
    elif flow.reason:
        report.notes.append(flow.reason)
    report.seconds, report.stage_seconds = clock.seconds, clock.stages
    return report


def _report(request: Request, resources: dict, versions: dict[str, str]) -> BuildReport:
    """The report as far as it is known when the netlist is there."""
    board, program = request.board, request.program
    network, parameters = program.network, program.parameters
    layers = predict(program)
    cycles = sum(layer.cycles for layer in layers)
    # From one image to the next: the head works beside the next one's first layers.
    interval = max(cycles - program.head_cycles, program.load_cycles)
    clock_mhz = float(request.clock_mhz)
    reply = WORD_BYTES * reply_words(IMAGE, program.classes)
    line_bytes = max(frame_bytes(program.image_bytes), frame_bytes(reply))
    return BuildReport(
        board=board.name,
        title=board.title,
        family=board.family,
        part=board.part,
        stage="netlist",
        tools=versions | {"amaranth": amaranth.__version__, "python": platform.python_version()},
        command=request.command,
        commit=git_commit(),
        model={
            "name": network.name,
            "file": request.model,
            "image": list(network.image),
            "stored_bits": network.stored_bits,
        },
        parameters=asdict(parameters)
        | {
            "baud": request.baud,
            "design": design_id(program).hex(),
            "loadable": program.loadable,
        },
        choice=request.choice,
        resources=resources,
        fits=all(row["used"] <= row["available"] for row in resources.values()),
        clock_mhz=clock_mhz,
        fmax_mhz=None,
        timing_met=None,
        cycles_per_image=cycles,
        images_per_second=round(1e6 * clock_mhz / interval, 1),
        serial_images_per_second=round(request.baud / BITS_PER_BYTE / line_bytes, 1),
        seconds=0.0,
        stage_seconds={},
        products=[f"{DESIGN}.v", f"{DESIGN}.json", f"{DESIGN}.{board.constraints}"],
        layers=[asdict(layer) for layer in layers],
        flow=request.flow.name,
    )
