"""``report.html``: one page that needs no network, no script and no other file."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hw.bounds import BOUNDS
from sim.report import words
from sim.report.colours import css
from sim.report.columns import HEADINGS, cells, total
from sim.report.lanes_chart import lanes_chart
from sim.report.roofline_chart import roofline_chart, sign_drawing
from sim.report.series import TRAFFIC, bound_groups, lane_uses, roof_points, traffic_entries

__all__ = ["NARROW", "WIDE", "environment", "page"]

TEMPLATES = Path(__file__).parent / "templates"
# Widths in pixels that charts are drawn for; the style sheet shows the one that fits.
WIDE, NARROW = 860, 350


def page(report: dict) -> str:
    """The page of one report."""
    return environment().get_template("report.html").render(
        r=report,
        verdict=words.verdict(report),
        sentence=words.cycles_sentence(report),
        longest=max((layer["cycles"] for layer in report["layers"]), default=0) or 1,
        kinds={point.kind for point in roof_points(report)},
        bounds=bound_groups(report),
        moving=traffic_entries(report),
        most_bits=max(
            (sum(layer[key] for key, *_ in TRAFFIC) for layer in report["layers"]), default=0
        ) or 1,
        sum=total(report),
        lane_uses=lane_uses(report["lanes"]),
        configuration=_configuration(report),
    )  # fmt: skip


@cache
def environment(*folders: Path) -> Environment:
    """The templates of this folder, and of others that build upon them."""
    made = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": words.percent,
        "bits": words.bits,
        "si": words.si,
        "count": lambda number: f"{number:,}",
        "width": lambda share: f"{100 * share:.3f}%",
    }
    made.globals |= {
        "PHASES": words.PHASES,
        "LANE_USES": words.LANE_USES,
        "TRAFFIC": TRAFFIC,
        "HEADINGS": HEADINGS,
        "BOUNDS": BOUNDS,
        "WIDE": WIDE,
        "NARROW": NARROW,
        "cells": cells,
        "class_name": words.class_name,
        "engine_text": words.engine_text,
        "index_text": words.index_text,
        "lanes_chart": lanes_chart,
        "roofline_chart": roofline_chart,
        "shape_text": words.shape_text,
        "sign_drawing": sign_drawing,
        "colours": css,
    }
    return made


def _configuration(report: dict) -> list[tuple[str, str]]:
    """What was simulated and with what, as pairs of a name and a text."""
    speed, machine = report["speed"], report["machine"]
    stalls = [("stalls", f"random, seed {report['seed']}")] if report["stalls"] else []
    return [
        ("network", f"{report['network']}; {words.index_text(report)}"),
        ("array", words.engine_text(report)),
        ("clock", f"{report['clock_mhz']:g} MHz, chosen; the simulation has none"),
        ("loading an image", f"{report['load_cycles']:,} cycles, while another is computed"),
        *stalls,
        ("simulated by", f"{report['engine']} engine: {report['simulated_cycles']:,} cycles in "
         f"{report['seconds']:,.1f} s, {report['prepare_seconds']:,.1f} s of them to get ready"),
        ("its speed", f"{words.si(speed['cycles_per_second'])} cycles/s, "
         f"{words.si(speed['kernel_applications_per_second'])} kernel applications/s, "
         f"{speed['images_per_second']:,.2f} images/s"),
        ("machine", f"{machine['processor']}; {machine['cores']} cores; {machine['system']}"),
        *report["versions"].items(),
        ("commit", report["commit"] or "unknown"),
    ]  # fmt: skip
