"""``compare.png``: cycles by layer and the lanes over time, for a paper."""

from typing import BinaryIO

from sim.compare.words import report_text
from sim.report.colours import LIGHT
from sim.report.paper import ROW, SMALL, WIDTH, axes, lanes_axes, layer_bars, legend, save
from sim.report.words import PHASES

__all__ = ["figure"]


def figure(comparison: dict, file: BinaryIO) -> None:
    """Draw and write it."""
    reports, layers = comparison["reports"], comparison["layers"]
    rows = [
        {"name": f"{layer['name']}  {report['name']}" if not n else report["name"]}
        | {key: layer[key][n] for key, _ in PHASES}
        for layer in layers
        for n, report in enumerate(reports)
    ]
    lanes = [n for n, found in enumerate(comparison["lanes"]) if found]
    heights = [0.5 + ROW * len(rows), *[1.3] * len(lanes)]
    bars, *charts = axes(WIDTH, sum(heights) + 0.6, heights)
    layer_bars(bars, rows, [(key, key, words) for key, words in PHASES])
    for place in range(len(reports), len(rows), len(reports)):
        bars.axhline(place - 0.5, color=LIGHT["line"], linewidth=0.6)
    bars.set_xlabel("cycles of one image", fontsize=SMALL)
    for ax, n in zip(charts, lanes, strict=True):
        lanes_axes(ax, comparison["lanes"][n])
        ax.set_ylabel(reports[n]["name"], fontsize=SMALL + 1, rotation=0, labelpad=12)
        ax.set_xlabel(f"cycles of one image, {report_text(reports[n])}", fontsize=SMALL)
    legend(bars, *charts)
    save(bars.figure, file)
