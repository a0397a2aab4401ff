"""What the charts show, taken from a report once, for page and PNG alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from sim.report.words import LANE_USES

__all__ = [
    "TRAFFIC", "RoofPoint", "bound_groups", "lane_shares", "lane_uses", "name_ranges",
    "roof_limits", "roof_points", "traffic_entries",
]  # fmt: skip

# Places in the roofline closer than this factor are one.
NEAR = 1.07

# Key of a layer's entry, name of the colour, words.
TRAFFIC = (
    ("index_bits_read", "index", "index bits read"),
    ("activation_bits_read", "read", "activation bits read"),
    ("activation_bits_written", "written", "activation bits written"),
)


def lane_shares(lanes: dict) -> dict[str, list[float]]:
    """For each key of `sim.report.words.LANE_USES` the share of the lane slots, a value a span."""
    each = lanes["cycles_each"]
    shares = {
        key: [n / cycles for n, cycles in zip(lanes[key], each, strict=True)]
        for key in ("useful", *(key for key, _ in LANE_USES if key in lanes))
    }
    shares["work"] = [
        slots / (cycles * lanes["slots_a_cycle"])
        for slots, cycles in zip(lanes["lane_slots"], each, strict=True)
    ]
    shares["unused"] = [a - b for a, b in zip(shares["useful"], shares["work"], strict=True)]
    return {key: shares[key] for key, _ in LANE_USES}


def lane_uses(*many: dict | None) -> list[str]:
    """Keys of what the lane slots are spent on in any of these."""
    found = [lane_shares(lanes) for lanes in many if lanes]
    return [key for key, _ in LANE_USES if any(any(shares[key]) for shares in found)]


@dataclass(frozen=True)
class RoofPoint:
    """A place in the roofline, and the layers that share it: see `hw.bounds.Bound`."""

    label: str
    kind: str
    intensity: float
    reached: float
    possible: float


def roof_points(report: dict) -> list[RoofPoint]:
    """The layers' places; those that a chart could not keep apart make one, at the first's."""
    layers = report["layers"]
    groups: list[list[int]] = []
    for number, layer in enumerate(layers):
        if layer["bound"]:
            near = (group for group in groups if _near(layer, layers[group[0]]))
            if found := next(near, None):
                found.append(number)
            else:
                groups.append([number])
    return [
        RoofPoint(
            name_ranges([layer["name"] for layer in layers], group),
            **{
                key: layers[group[0]]["bound"][key]
                for key in ("kind", "intensity", "reached", "possible")
            },
        )
        for group in groups
    ]


def roof_limits(report: dict) -> tuple[float, float, float, float]:
    """Least and greatest intensity, least and greatest speed that a roofline shows."""
    points = roof_points(report)
    peak = report["pixels"] * report["channels"]
    ridge = peak / report["index_bits_a_cycle"]
    least = min([point.intensity for point in points] + [ridge / 2])
    slowest = min([point.reached for point in points] + [peak / 2])
    return least / 1.4, ridge * 1.8, slowest / 1.9, peak * 1.4


def _near(layer: dict, other: dict) -> bool:
    ratios = (layer["bound"][key] / other["bound"][key] for key in ("intensity", "reached"))
    same = layer["bound"]["kind"] == other["bound"]["kind"]
    return same and all(1 / NEAR < ratio < NEAR for ratio in ratios)


def bound_groups(report: dict) -> list[tuple[str, dict]]:
    """Names of layers that have the very same bound, and the bound."""
    layers = report["layers"]
    groups: dict[tuple, list[int]] = {}
    for number, layer in enumerate(layers):
        if layer["bound"]:
            groups.setdefault(tuple(layer["bound"].values()), []).append(number)
    names = [layer["name"] for layer in layers]
    return [
        (name_ranges(names, group), layers[group[0]]["bound"]) for group in groups.values()
    ]


def name_ranges(names: Sequence[str], numbers: Sequence[int]) -> str:
    """Names at these places in short: three or more in a row as "first–last"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = []
    for run in runs:
        ends = [names[run[0]], names[run[-1]]]
        # The word joiners keep a range in one line.
        texts.append("\u2060–\u2060".join(ends) if len(run) > 2 else ", ".join(dict.fromkeys(ends)))
    return ", ".join(texts)


def traffic_entries(report: dict) -> list[dict]:
    """The layers that move anything."""
    return [layer for layer in report["layers"] if any(layer[key] for key, *_ in TRAFFIC)]
