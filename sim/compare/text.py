"""``compare.md`` and the tables on a terminal."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from sim.compare.words import headlines, ratio, report_text, value
from sim.report.text import markdown_table

__all__ = ["layer_rows", "markdown", "quantity_rows", "terminal_tables"]


def quantity_rows(comparison: dict) -> list[list[str]]:
    """A row a quantity: words, the base's value, and value and ratio of each other report."""
    rows = []
    for entry in comparison["quantities"]:
        texts = [value(number, entry["kind"]) for number in entry["values"]]
        ratios = [ratio(number) for number in entry["ratios"]]
        others = (f"{text} ({times})" for text, times in zip(texts[1:], ratios[1:], strict=True))
        rows.append([entry["words"], texts[0], *others])
    return rows


def layer_rows(comparison: dict) -> list[list[str]]:
    """A row a layer: its cycles, and each other report's with the ratio."""
    rows = []
    for layer in comparison["layers"]:
        others = zip(layer["cycles"][1:], layer["ratios"][1:], strict=True)
        texts = (f"{cycles:,} ({ratio(times)})" for cycles, times in others)
        rows.append([layer["name"], f"{layer['cycles'][0]:,}", *texts])
    return rows


def markdown(comparison: dict) -> str:
    """The text of ``compare.md``, without the last newline."""
    reports = comparison["reports"]
    names = [report["name"] for report in reports]
    lines = [f"# Simulations on {comparison['dataset']} compared", ""]
    lines += [
        f"- {report['name']}: {report_text(report)}; {report['model']}, {report['images']:,} "
        f"images ({report['path']})"
        for report in reports
    ]
    lines += ["", *headlines(comparison), *comparison["notes"], ""]
    lines += markdown_table(("", *names), quantity_rows(comparison))
    lines += ["", "Cycles of one image by layer:", ""]
    lines += markdown_table(("layer", *names), layer_rows(comparison))
    return "\n".join([*lines, "", "Made by:", "", f"    {comparison['command']}"])


def terminal_tables(comparison: dict) -> list[Table]:
    """Reports, quantities and layers, to print with a rich console."""
    names = [report["name"] for report in comparison["reports"]]
    known = Table(show_header=False, box=None, pad_edge=False)
    known.add_column(style="bold")
    known.add_column()
    for report in comparison["reports"]:
        words = f"{report_text(report)}; {report['model']} ({report['path']})"
        known.add_row(report["name"], Text(words))
    for note in comparison["notes"]:
        known.add_row("", Text(note))
    tables = [known]
    for heading, rows in (("", quantity_rows(comparison)), ("layer", layer_rows(comparison))):
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column(heading)
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*map(Text, row))
        tables.append(table)
    return tables
