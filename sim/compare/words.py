"""Numbers and findings of a comparison in words."""

from sim.report.words import percent

__all__ = ["headlines", "ratio", "report_text", "value"]


def value(number: float | None, kind: str) -> str:
    """A quantity's value; ``kind`` as in `sim.compare.data.QUANTITIES`."""
    if number is None:
        return "–"
    if kind == "share":
        return percent(number, 2)
    return f"{number:,.2f}" if kind == "decimal" else f"{number:,.0f}"


def ratio(number: float | None) -> str:
    """A ratio to the base: 0.53×."""
    if number is None:
        return "–"
    return f"{number:.2f}×" if number < 100 else f"{number:,.0f}×"


def report_text(report: dict) -> str:
    """What a report is of, in short: shared 32×16, fill 8, tau 5."""
    fill = f", fill {report['fill']}" if report["fill"] else ""
    tau = "/".join(map(str, report["tau"]))
    return f"{report['array']} {report['pixels']}×{report['channels']}{fill}, tau {tau}"


def headlines(comparison: dict) -> list[str]:
    """A sentence a report about how it compares with the base."""
    by_key = {entry["key"]: entry for entry in comparison["quantities"]}
    base = comparison["reports"][0]["name"]
    lines = []
    for place, report in enumerate(comparison["reports"][1:], 1):
        paced = by_key.get("interval_cycles")
        cycles = paced if paced and paced["ratios"][place] else by_key["total_cycles"]
        parts = [
            f"{report['name']} takes {ratio(cycles['ratios'][place])} the cycles of {base} "
            f"({cycles['values'][place]:,} against {cycles['values'][0]:,})",
            _stored(by_key["stored_bits"]["ratios"][place]),
        ]
        accuracy = by_key.get("accuracy")
        if accuracy and None not in (accuracy["values"][0], accuracy["values"][place]):
            parts.append(
                f"is right in {percent(accuracy['values'][place], 2)} of its images "
                f"({base} in {percent(accuracy['values'][0], 2)})"
            )
        lines.append(", ".join(parts[:-1]) + f" and {parts[-1]}.")
    return lines


def _stored(times: float | None) -> str:
    return "stores as many index bits" if times == 1 else f"stores {ratio(times)} the index bits"
