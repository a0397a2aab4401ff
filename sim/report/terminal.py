"""The report on a terminal, by rich."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from sim.report.columns import HEADINGS, cells, total
from sim.report.text import BLOCKS, bar
from sim.report.words import facts

__all__ = ["terminal_tables"]

# Colours of a terminal's own sixteen, so that they suit its background.
COLOURS = {"useful": "blue", "fill": "yellow", "drain": "green", "stall": "red"}
BAR = 16
# What is left out on terminals of less than so many columns.
LEFT_OUT = ((112, ("useful share",)), (96, ("predicted", "useful share", "bar")))


def terminal_tables(report: dict, width: int = 100) -> tuple[Table, Table]:
    """Facts and layers, to print with a rich console of this width."""
    known = Table(show_header=False, box=None, pad_edge=False)
    known.add_column(style="bold")
    known.add_column()
    for name, text in facts(report):
        style = "bold red" if name.isupper() or name.startswith("first") else ""
        known.add_row(name, Text(text, style))
    layers = Table(
        title="one image",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    out = {heading for columns, headings in LEFT_OUT if width < columns for heading in headings}
    shown = [n for n, heading in enumerate(HEADINGS) if heading not in out]
    for n in shown:
        left = HEADINGS[n] in ("layer", "bound by")
        heading = HEADINGS[n] if left else HEADINGS[n].replace(" ", "\n")
        layers.add_column(heading, justify="left" if left else "right", no_wrap=True)
    if "bar" not in out:
        layers.add_column("", no_wrap=True)
    longest = max(layer["cycles"] for layer in report["layers"])
    for layer in report["layers"]:
        texts = cells(layer)
        signs = () if "bar" in out else (_signs(layer, longest),)
        layers.add_row(*(Text(texts[n]) for n in shown), *signs)
    layers.add_section()
    texts = cells(total(report))
    layers.add_row(*(Text(texts[n]) for n in shown), style="bold")
    return known, layers


def _signs(layer: dict, longest: int) -> Text:
    signs = Text()
    for phase, count in bar(layer, longest, BAR):
        signs.append(BLOCKS[phase] * count, COLOURS[phase])
    return signs
