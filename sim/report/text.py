"""``report.md``: for a terminal or a pull request."""

from collections.abc import Sequence

from sim.report.columns import HEADINGS, cells, total
from sim.report.words import PHASES, bits, cycles_sentence, facts, shape_text

__all__ = ["BLOCKS", "bar", "markdown", "markdown_table"]

# One sign a phase, from dark to light, in any font of fixed width.
BLOCKS = {"useful": "█", "fill": "▒", "drain": "░", "stall": "▓"}
BAR = 48


def bar(layer: dict, longest: int, width: int = BAR) -> list[tuple[str, int]]:
    """A layer's bar: a phase and how many signs it takes, ``width`` for the longest layer.

    A phase that took any cycle is not rounded away while there is room.
    """
    whole = -(-layer["cycles"] * width // max(longest, 1))
    parts, done, shown = [], 0, 0
    for phase, _ in PHASES:
        done += layer[phase]
        end = round(done * whole / max(layer["cycles"], 1))
        end = min(max(end, shown + (layer[phase] > 0)), whole)
        parts.append((phase, end - shown))
        shown = end
    return parts


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first column is left-aligned and the others right."""
    aligned = [":---", *["---:"] * (len(headings) - 1)]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in (headings, aligned, *rows))
    return [f"| {' | '.join(row)} |" for row in escaped]


def markdown(report: dict) -> str:
    """The text of ``report.md``, without the last newline."""
    layers = report["layers"]
    lines = [f"# Simulation of {report['model']}", ""]
    for name, fact in facts(report):
        strong = "**" if name in ("PARTIAL", "first difference", "first cycle problem") else ""
        lines.append(f"- {strong}{name}: {fact}{strong}")
    lines += ["", "## Where the cycles of one image went", "", cycles_sentence(report), ""]
    lines += ["```text", *_bars(layers), "```", ""]
    lines += markdown_table(HEADINGS, [cells(row) for row in (*layers, total(report))])
    lines += [
        "",
        "`useful share` is the part of the cycles in which an index word goes out, `lane use` the "
        "part of the kernel applications that the lanes could do in these cycles.",
        "",
        "## Memory traffic of one image",
        "",
        *markdown_table(
            ("layer", "shape", "index bits stored", "read", "activation bits read", "written"),
            [
                (layer["name"], shape_text(layer), *(f"{layer[key]:,}" for key in _TRAFFIC))
                for layer in layers
            ],
        ),
        "",
        f"All layers read {bits(report['index_bits_read'])} of indices "
        f"and {bits(report['activation_bits_read'])} of activations an image.",
        *_held(report),
        "",
        "## Made by",
        "",
        f"    {report['command']}",
        "",
        ", ".join(f"{name} {number}" for name, number in report["versions"].items())
        + f"; commit {report['commit'] or 'unknown'}; {report['machine']['processor']}, "
        f"{report['machine']['cores']} cores.",
    ]
    return "\n".join(lines)


_TRAFFIC = (
    "index_bits_stored", "index_bits_read", "activation_bits_read", "activation_bits_written",
)  # fmt: skip


def _held(report: dict) -> list[str]:
    """How much memory the maps take that live at one time, at the worst time."""
    streams = report["stream_bits_held"]
    also = f", those of streams {bits(streams)}" if streams else ""
    return [f"Maps of activations take {bits(report['activation_bits_held'])} of memory{also}."]


def _bars(layers: list[dict]) -> list[str]:
    """A bar a layer, and what its signs mean."""
    longest = max(layer["cycles"] for layer in layers)
    name = max(len(layer["name"]) for layer in layers)
    lines = []
    for layer in layers:
        signs = "".join(BLOCKS[phase] * count for phase, count in bar(layer, longest))
        lines.append(f"{layer['name']:<{name}}  {signs:<{BAR}}  {layer['cycles']:>10,}")
    there = [(phase, word) for phase, word in PHASES if any(layer[phase] for layer in layers)]
    return [*lines, "", "   ".join(f"{BLOCKS[phase]} {word}" for phase, word in there)]
