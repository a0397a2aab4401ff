"""Numbers and findings of a report in words, the same in every form of it."""

__all__ = [
    "LANE_USES",
    "PHASES",
    "bits",
    "class_name",
    "cycles_sentence",
    "engine_text",
    "facts",
    "index_text",
    "pace_text",
    "percent",
    "shape_text",
    "si",
    "verdict",
]

# Key and word of a cycle's phases, in the order of every bar.
PHASES = (("useful", "useful"), ("fill", "filling"), ("drain", "draining"), ("stall", "stalled"))
# What a lane slot is spent on over time: see `sim.report.series.lane_shares`.
LANE_USES = (
    ("work", "useful"),
    ("unused", "lane without work"),
    *PHASES[1:],
    ("idle", "idle"),
)


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 as a percentage; a dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f}%"


def si(number: float, unit: str = "") -> str:
    """A number of three digits or so with a prefix: 131.9 k, 1.24 M."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # From where on three digits round up to it.
        if abs(number) >= 0.9995 * factor:
            return f"{number / factor:.3g} {prefix}{unit}"
    return f"{number:.3g} {unit}".rstrip()


def bits(number: float) -> str:
    """A number of bits: 1.24 Mbit."""
    return si(number, "bit")


def class_name(report: dict, number: int) -> str:
    """A class's name, or its number where it has none."""
    names = report["class_names"]
    return names[number] if 0 <= number < len(names) else str(number)


def engine_text(report: dict) -> str:
    """The accelerator: shared array, 32 pixels x 16 channels, fill 4."""
    fill = f", fill {report['fill']}" if report["fill"] else ""
    return (
        f"{report['array']} array, {report['pixels']} pixels × {report['channels']} channels{fill}"
    )


def index_text(report: dict) -> str:
    """The weights: tau 5, 33,280 bits of indices."""
    tau = ", ".join(map(str, report["tau"]))
    kind = " antipodal" if report["antipodal"] else ""
    return f"tau {tau}{kind}, {report['stored_bits']:,} bits of indices"


def port_text(report: dict) -> str:
    """The index port: 32 bits a cycle, 1,024 index words kept; 7.1 Mbit come in an image."""
    return (
        f"{report['index_port']:,} bits a cycle, {report['index_buffer']:,} index words kept; "
        f"{bits(report['index_bits_fetched'])} come in an image, "
        f"{bits(report['index_bits_read'])} are read"
    )


def shape_text(layer: dict) -> str:
    """A layer's shape: 32 → 64, 14×14, stride 2, pooled."""
    stride = ", stride 2" if layer.get("stride") == 2 else ""
    pooled = ", pooled" if layer["pool"] == "max2" else ""
    return f"{layer['c_in']} → {layer['c_out']}, {layer['height']}×{layer['width']}{stride}{pooled}"


def _images_text(report: dict) -> str:
    last = report["first_image"] + report["images"] - 1
    which = f"numbers {report['first_image']:,} to {last:,}"
    count = f"{report['images']:,} of {report['dataset']}, {which}"
    if report["partial"]:
        count = f"{report['images']:,} of the {report['asked_images']:,} asked for, {which}"
    if report["accuracy"] is None:
        return f"{count}; without labels"
    return f"{count}; accuracy {percent(report['accuracy'], 2)}"


def verdict(report: dict) -> tuple[bool, str]:
    """Whether the RTL did what it should, and how that is known, in one line."""
    compared = f"{report['values_compared']:,} values"
    if report["mismatches"]:
        return False, f"{report['mismatches']:,} of {compared} differ from the golden model"
    if problems := report["cycle_problems"]:
        return False, f"all {compared} equal the golden model, but {len(problems)} cycle counts " \
                      "are not as predicted"  # fmt: skip
    return True, f"all {compared} equal the golden model; every cycle count is as predicted"


def cycles_sentence(report: dict) -> str:
    """Where the cycles of one image went, in one or two sentences."""
    layers, total = report["layers"], report["total_cycles"]
    if not total:
        return "No cycle was counted."
    sums = {key: sum(layer[key] for layer in layers) for key, _ in PHASES}
    rest = sorted(((sums[key], word) for key, word in PHASES[1:]), reverse=True)
    others = [f"{percent(n / total)} went into {word}" for n, word in rest if n]
    others = [text.replace("into stalled", "into stalls") for text in others]
    text = f"Of {total:,} cycles {percent(sums['useful'] / total)} were useful"
    text += "; " + " and ".join(", ".join(others).rsplit(", ", 1)) if others else ""
    longest = max(layers, key=lambda layer: layer["cycles"])
    equal = sum(layer["cycles"] == longest["cycles"] for layer in layers)
    more = {1: "", 2: " and another"}.get(equal, f" and {equal - 1} others")
    each = " each" if equal > 1 else ""
    text += f". {longest['name']}{more} took the most, {percent(longest['cycles'] / total)}{each}"
    bound = longest["bound"]
    return text + (f", bound by {bound['kind']}." if bound and equal == 1 else ".")


def pace_text(report: dict) -> str:
    """Images a second and what sets their pace."""
    interval = report["interval_cycles"]
    rate = f"{report['images_per_second']:,.0f} images/s at {report['clock_mhz']:g} MHz"
    if interval is None:
        return f"{rate} by one image; {report['limit']} sets the pace"
    return f"{rate}, one every {interval:,} cycles; {report['limit']} sets the pace"


def facts(report: dict) -> list[tuple[str, str]]:
    """What a reader wants to know first, as pairs of a name and a text."""
    stalls = f", random stalls of seed {report['seed']}" if report["stalls"] else ""
    speed = report["speed"]
    partial = [("PARTIAL", f"ended after {report['images']:,} of {report['asked_images']:,} "
                "images")] if report["partial"] else []  # fmt: skip
    first = report["first_difference"]
    difference = [("first difference", first["text"])] if first else []
    cycles = [("first cycle problem", text) for text in report["cycle_problems"][:1]]
    return [
        *partial,
        ("model", f"{report['model']}, {index_text(report)}"),
        ("engine", engine_text(report) + stalls),
        *([("index port", port_text(report))] if report["index_port"] else []),
        ("images", _images_text(report)),
        ("values", verdict(report)[1]),
        *difference,
        *cycles,
        ("pace", pace_text(report)),
        (
            "lanes",
            f"useful in {percent(report['useful_share'])} of the cycles, at work in "
            f"{percent(report['lane_use'])} of their slots",
        ),
        (
            "simulation",
            f"{report['simulated_cycles']:,} cycles in {report['seconds']:,.1f} s "
            f"({report['engine']}): {si(speed['cycles_per_second'])} cycles/s, "
            f"{speed['images_per_second']:,.2f} images/s",
        ),
    ]
