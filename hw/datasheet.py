# amaranth: UnusedElaboratable=no
"""Prints the tables of docs/datasheet.md: ``python -m hw.datasheet``. ``--write`` puts them there.

Ports are those of the engine that is built, cycles are exact, LUTs and block RAM were measured
(`hw.check_estimates` says of what). Takes seconds, and no tool.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from amaranth.hdl import Value

from hw.boards import BOARDS
from hw.check_estimates import Comparison, comparisons, network_of
from hw.compiler import compile_network
from hw.cycles import total_cycles
from hw.engine import Engine
from hw.engine_program import Program
from model.errors import run_command

__all__ = ["FINN_CNV_OPERATIONS", "PAGE", "figures", "main", "pages", "table", "with_figures"]

PAGE = Path(__file__).parents[1] / "docs" / "datasheet.md"
BEGIN, END = "<!-- hw.datasheet -->", "<!-- end of hw.datasheet -->"

# Of FINN's CNV, an image: two for each multiply-accumulate (Umuroglu et al. 2017, "CNV").
FINN_CNV_OPERATIONS = 119e6
CLOCK_HZ = 100e6
NETWORKS = ("digits", "mnist", "cnv")
# Pixels, channels, fill of the arrays whose cycles are listed; 0 for the direct array.
SHAPES = {
    "digits": ((32, 32, 16), (32, 16, 4), (16, 32, 0)),
    "mnist": ((28, 32, 16), (28, 16, 0)),
    "cnv": ((64, 16, 4), (64, 24, 6), (64, 16, 0), (32, 32, 0), (64, 64, 16), (128, 32, 8)),
}
MEANING = {
    "i": "an image's pixels: colours, rows, columns",
    "o": "a result: the class, and each class's score, signed",
    "index": "index words, where they come from outside",
}


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Lines of a Markdown table; all columns but the first are aligned right."""
    heads = tuple(heads)
    lines = [heads, ("---", *["---:"] * (len(heads) - 1)), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def _program(name: str, pixels: int, channels: int, fill: int, **more) -> Program:
    return compile_network(
        network_of(name),
        array="shared" if fill else "direct",
        pixels=pixels,
        channels=channels,
        fill=fill or None,
        **more,
    )


def _ports() -> list[str]:
    """Streams of an engine with an index port, the digits'."""
    # For its ports alone, hence the first line of this file.
    engine = Engine(_program("digits", 32, 32, 16, index_port=160))
    rows = []
    for name, meaning in MEANING.items():
        port = getattr(engine, name)
        flow = "out" if name == "o" else "in"
        rows.append((f"`{name}`", flow, len(Value.cast(port.payload)), meaning))
    return table(("stream", "flow", "payload bits", "what"), rows)


def _cycles() -> list[str]:
    """Cycles of an image for each network and array."""
    rows = []
    for name in NETWORKS:
        for shape in SHAPES[name]:
            program = _program(name, *shape)
            cycles = total_cycles(program)
            spacing = max(cycles - program.head_cycles, program.load_cycles)
            rate = CLOCK_HZ / cycles
            rows.append((
                name, _shape(program), f"{cycles:,}", f"{1e6 / rate:.1f}", f"{rate:,.0f}",
                f"{CLOCK_HZ / spacing:,.0f}",
            ))  # fmt: skip
    heads = ("network", "array", "cycles", "µs", "images/s, one at a time", "in a row")
    return table(heads, rows)


def _shape(program: Program) -> str:
    p = program.parameters
    fill = f", F {p.fill}" if p.fill else ""
    return f"{p.array} {p.pixels}×{p.channels}{fill}"


def _resources(found: list[Comparison]) -> list[str]:
    """What designs take by Yosys."""
    heads = ("design", "LUT", "of them LUTRAM", "flip-flops", "block RAM", "LUT an application")
    rows = []
    for one in found:
        r = one.measured
        each = r.lut / one.program.parameters.kernel_applications
        rows.append((one.name, f"{r.lut:,}", f"{r.lutram:,}", f"{r.ff:,}", f"{r.bram:g}",
                     f"{each:.2f}"))  # fmt: skip
    return table(heads, rows)


def _work(found: list[Comparison]) -> list[str]:
    """Operations a second for a thousand LUTs, of the designs of cnv, one image at a time."""
    rows = []
    for one in found:
        if one.program.network.name != "cnv":
            continue
        rate = CLOCK_HZ / total_cycles(one.program)
        own = 2 * sum(conv.macs for conv in one.program.network.convs)
        thousands = one.measured.lut / 1000
        rows.append((
            one.name, f"{rate:,.0f}", f"{one.measured.lut:,}",
            *(f"{rate * work / thousands / 1e9:.1f}" for work in (FINN_CNV_OPERATIONS, own)),
        ))  # fmt: skip
    heads = ("design", "images/s", "LUT", "GOPS/kLUT, CNV's operations", "cnv's own operations")
    return table(heads, rows)


def _parts() -> list[str]:
    rows = []
    for board in BOARDS.values():
        have = board.available
        rows.append((f"`{board.name}`", board.part, board.default_clock_mhz,
                     f"{have['lut']:,}", f"{have['bram']:,}"))  # fmt: skip
    return table(("board", "part", "MHz unless asked", "LUT", "block RAM"), rows)


def pages() -> Iterator[tuple[str, list[str]]]:
    """(title, Markdown lines) of every table."""
    found = list(comparisons())
    yield "Ports", _ports()
    yield "Cycles at 100 MHz", _cycles()
    yield "Resources of whole board designs", _resources(found)
    yield "Work for area at 100 MHz", _work(found)
    yield "Parts", _parts()


def figures() -> str:
    """All tables, as they stand in the page."""
    return "\n\n".join("\n".join([f"### {title}", "", *lines]) for title, lines in pages())


def with_figures(page: str, tables: str) -> str:
    """The page with these tables in place of what stands between its marks."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{rest.split(END)[1]}"


def main() -> None:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m hw.datasheet", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    tables = figures()
    if parser.parse_args().write:
        PAGE.write_text(with_figures(PAGE.read_text("utf-8"), tables), "utf-8")
    else:
        print(tables)


if __name__ == "__main__":
    run_command(main)
