"""The page's roofline, made for a given width: its text stays readable."""

import math
from html import escape

from sim.report.series import RoofPoint, roof_limits, roof_points
from sim.report.svg import LEFT, LETTER, RIGHT, drawing, element, log_ticks, path, text
from sim.report.words import si

__all__ = ["roofline_chart", "sign_drawing"]

SIGN = 5.5  # half a marker's size, pixels


def roofline_chart(report: dict, width: int, class_: str = "") -> str:
    """Kernel applications a cycle against kernel applications for each index bit, by layer."""
    points = roof_points(report)
    peak = report["pixels"] * report["channels"]
    slope = report["index_bits_a_cycle"]
    ridge = peak / slope
    high = 320 if width > 500 else 270
    low_x, high_x, low_y, high_y = roof_limits(report)
    top, left = 10, LEFT + 14
    inner = width - left - RIGHT

    def x(value: float) -> float:
        return left + inner * math.log(value / low_x) / math.log(high_x / low_x)

    def y(value: float) -> float:
        return top + high * (1 - math.log(value / low_y) / math.log(high_y / low_y))

    parts = []
    for value in log_ticks(low_y, high_y):
        parts.append(element("line", x1=left, x2=width - RIGHT, y1=y(value), y2=y(value),
                             class_="grid"))  # fmt: skip
        parts.append(text(left - 6, y(value) + 4, si(value), text_anchor="end"))
    for value in log_ticks(low_x, high_x):
        parts.append(element("line", x1=x(value), x2=x(value), y1=top, y2=top + high,
                             class_="grid"))  # fmt: skip
        parts.append(text(x(value), top + high + 17, si(value), text_anchor="middle"))
    start = max(low_x, low_y / slope)
    roof = [(start, start * slope), (ridge, peak), (high_x, peak)]
    parts.append(path([(x(a), y(b)) for a, b in roof], class_="roof"))
    parts.append(text(width - RIGHT - 2, y(peak) - 7, f"all lanes: {peak:,} a cycle",
                      text_anchor="end", class_="strong"))  # fmt: skip
    for point in points:
        px, py = x(point.intensity), y(point.reached)
        parts.append(element("line", x1=px, x2=px, y1=y(point.possible), y2=py, class_="gap"))
    # Labels are kept off the markers, the roof, and each other.
    steps = [left + inner * n / 200 for n in range(201)]
    taken = [(x(p.intensity) - 7, y(p.reached) - 7, x(p.intensity) + 7, y(p.reached) + 7)
             for p in points]  # fmt: skip
    for at in steps:
        value = low_x * (high_x / low_x) ** ((at - left) / inner)
        height = y(min(value * slope, peak))
        taken.append((at, height - 2, at, height + 2))
    for point in sorted(points, key=lambda point: -point.reached):
        px, py = x(point.intensity), y(point.reached)
        title = element("title", escape(
            f"{point.label}: {point.reached:,.0f} of {point.possible:,.0f} possible kernel "
            f"applications a cycle, {point.intensity:.2f} an index bit; bound by {point.kind}"
        ))  # fmt: skip
        parts.append(element("g", title + _sign(point.kind, px, py)))
        parts.append(_label(point, px, py, width, taken))
    parts.append(text(left + inner / 2, top + high + 36, "kernel applications an index bit",
                      text_anchor="middle"))  # fmt: skip
    parts.append(text(13, top + high / 2, "kernel applications a cycle", text_anchor="middle",
                      transform=f"rotate(-90 13 {top + high // 2})"))  # fmt: skip
    words = "Roofline. " + "; ".join(
        f"{point.label}: {point.reached:,.0f} of {point.possible:,.0f} possible kernel "
        f"applications a cycle, bound by {point.kind}"
        for point in points
    )
    return drawing(width, top + high + 44, words, parts, class_)


def _sign(kind: str, x: float, y: float) -> str:
    """A marker; its form says what bounds the layer, so that colour need not."""
    s = SIGN
    if kind == "lanes":
        return element("circle", cx=x, cy=y, r=s, class_="sign")
    if kind == "filling":
        return element("rect", x=x - s, y=y - s, width=2 * s, height=2 * s, class_="sign")
    corners = {
        "latency": [(x, y + s * 1.2), (x + s * 1.2, y - s), (x - s * 1.2, y - s)],
        "index bandwidth": [(x, y - s * 1.3), (x + s * 1.3, y), (x, y + s * 1.3), (x - s * 1.3, y)],
    }
    return path([*corners[kind], corners[kind][0]], class_="sign")


def sign_drawing(kind: str) -> str:
    """A marker for a legend."""
    sign = _sign(kind, 8, 8)
    return f'<svg class="key" viewBox="0 0 16 16" aria-hidden="true">{sign}</svg>'


def _label(
    point: RoofPoint, x: float, y: float, width: int, taken: list[tuple[float, float, float, float]]
) -> str:
    """The layers' names beside a point, where they cover nothing that is ``taken``."""
    words = point.label if len(point.label) < 34 else point.label[:32] + "…"
    long = LETTER * len(words)
    sides = [(x + 10, y + 4), (x + 9, y + 17), (x - 10 - long, y + 4)]
    below = [(x - long * part, y + step) for step in (20, 34, 48, 62) for part in (0.1, 0.5, 0.9)]
    for left, base in (*sides, *below):
        box = (left, base - 11, left + long, base + 3)
        clear = all(box[2] < a or box[0] > c or box[3] < b or box[1] > d for a, b, c, d in taken)
        if clear and box[0] > LEFT + 14 and box[2] < width:
            taken.append(box)
            return text(left, base, words, class_="strong halo")
    return ""
