"""The columns of a report's table of layers, for Markdown, terminal and page alike."""

from sim.report.words import percent

__all__ = ["HEADINGS", "cells", "total"]

HEADINGS = (
    "layer", "cycles", "predicted", "useful", "fill", "drain", "stall",
    "useful share", "lane use", "bound by",
)  # fmt: skip
_NUMBERS = ("cycles", "predicted", "useful", "fill", "drain", "stall")


def cells(layer: dict) -> list[str]:
    """One row, as text; works for layers and for their `total`."""
    bound = layer["bound"]
    return [
        layer["name"],
        *(f"{layer[key]:,}" for key in _NUMBERS),
        percent(layer["useful_share"]),
        percent(layer["lane_use"]),
        bound["kind"] if bound else "–",
    ]


def total(report: dict) -> dict:
    """The sum over the layers, of one image on its own."""
    layers = report["layers"]
    sums = {key: sum(layer[key] for layer in layers) for key in _NUMBERS}
    cycles = max(sums["cycles"], 1)
    slots = cycles * report["pixels"] * report["channels"]
    shares = {
        "useful_share": sums["useful"] / cycles,
        "lane_use": report["kernel_applications"] / slots,
    }
    return {"name": "all", "bound": None} | sums | shares
