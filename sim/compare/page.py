"""``compare.html``: one page that needs no network, no script and no other file."""

from pathlib import Path

from sim.compare.words import headlines, ratio, report_text, value
from sim.report.page import environment
from sim.report.series import lane_uses
from sim.report.words import PHASES, percent

__all__ = ["page"]

TEMPLATES = Path(__file__).parent / "templates"
# What the reports' own columns show, where they differ or a reader expects it.
ALWAYS = ("model", "array", "pixels", "channels", "tau", "clock_mhz", "images")
WORDS = {"clock_mhz": "clock, MHz", "first_image": "first image", "limit": "pace set by",
         "index_port": "index port, bits a cycle", "index_buffer": "index words kept"}  # fmt: skip


def page(comparison: dict) -> str:
    """The page of a comparison."""
    shown = [
        key for key in comparison["reports"][0]
        if key in ALWAYS or (key in comparison["different"] and key not in ("command", "commit"))
    ]  # fmt: skip
    return environment(TEMPLATES).get_template("compare.html").render(
        c=comparison,
        headlines=headlines(comparison),
        settings=[
            (WORDS.get(key, key), [_text(report[key]) for report in comparison["reports"]],
             key in comparison["different"])
            for key in shown
        ],
        layers=[
            layer | {"bars": [
                {key: layer[key][n] for key in ("cycles", *(key for key, _ in PHASES))}
                for n in range(len(comparison["reports"]))
            ]}
            for layer in comparison["layers"]
        ],
        longest=max(max(layer["cycles"]) for layer in comparison["layers"]) or 1,
        phases=[
            (key, word) for key, word in PHASES
            if any(any(layer[key]) for layer in comparison["layers"])
        ],
        lane_uses=lane_uses(*comparison["lanes"]),
        value=value,
        ratio=ratio,
        percent=percent,
        report_text=report_text,
    )  # fmt: skip


def _text(setting: object) -> str:
    if isinstance(setting, list):
        return ", ".join(map(str, setting))
    if setting is None:
        return "none"
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    return f"{setting:,g}" if isinstance(setting, int | float) else str(setting)
