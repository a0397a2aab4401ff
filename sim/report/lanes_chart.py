"""The page's chart of the lanes over time, made for a given width: its text stays readable."""

from html import escape

from sim.report.series import lane_shares
from sim.report.svg import LEFT, LETTER, RIGHT, drawing, element, path, text
from sim.report.words import LANE_USES, percent

__all__ = ["lanes_chart"]


def lanes_chart(lanes: dict, width: int, class_: str = "") -> str:
    """Share of the lane slots by what they do, over the cycles of one image."""
    top, high, band = 8, 190 if width > 500 else 150, 22
    inner, base = width - LEFT - RIGHT, top + high
    cycles = lanes["cycles"]

    def x(cycle: float) -> float:
        return LEFT + inner * cycle / cycles

    parts = []
    ends = [0]
    for count in lanes["cycles_each"]:
        ends.append(ends[-1] + count)
    below = [0.0] * len(lanes["cycles_each"])
    for key, values in lane_shares(lanes).items():
        if not any(values):
            continue
        above = [low + share for low, share in zip(below, values, strict=True)]
        upper, lower = [], []
        for n, (low, share) in enumerate(zip(below, above, strict=True)):
            sides = (x(ends[n]), x(ends[n + 1]))
            upper += [(side, base - high * share) for side in sides]
            lower += [(side, base - high * low) for side in sides]
        parts.append(path(upper + lower[::-1], fill=f"var(--{key})"))
        below = above
    for share in (0, 0.5, 1):
        y = base - high * share
        parts.append(element("line", x1=LEFT, x2=width - RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(text(LEFT - 6, y + 4, f"{share:.0%}", text_anchor="end"))
    for n, layer in enumerate(lanes["layers"]):
        begin, end = x(layer["begin"]), x(layer["end"])
        name = layer["name"]
        title = element("title", escape(f"{name}: {layer['end'] - layer['begin']:,} cycles"))
        label = ""
        if end - begin > LETTER * len(name) + 4:
            label = text((begin + end) / 2, base + 16, name, text_anchor="middle", class_="strong")
        box = element("rect", x=begin, y=base + 2, width=max(end - begin, 0.5), height=band - 3.0,
                      class_=f"band{n % 2}")  # fmt: skip
        parts.append(element("g", title + box + label))
    for n in range(5 if width > 500 else 3):
        cycle = cycles * n // (4 if width > 500 else 2)
        anchor = "start" if n == 0 else "end" if cycle == cycles else "middle"
        parts.append(text(x(cycle), base + band + 16, f"{cycle:,}", text_anchor=anchor))
    middle = LEFT + inner / 2
    parts.append(text(middle, base + band + 33, "cycles of one image", text_anchor="middle"))
    shares = {key: sum(values) / len(values) for key, values in lane_shares(lanes).items()}
    words = "Use of the lane slots over one image's cycles; on average " + ", ".join(
        f"{percent(shares[key])} {word}" for key, word in LANE_USES if shares[key] > 0
    )
    return drawing(width, base + band + 40, words, parts, class_)
