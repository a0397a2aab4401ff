"""What nextpnr's report says of a clock: what it reached, and the path that bounds it."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass

from model.errors import CheckError

__all__ = ["CriticalPath", "Timing", "component_paths", "read_timing"]

# nextpnr keeps clock periods in whole picoseconds.
CLOCK_TOLERANCE = 1e-3

# Yosys names a cell that has no name after a neighbour: "tally.kind_SB_LUT4_I1_O_SB_LUT4_I0" is a
# LUT behind a LUT that reads tally.kind. Beyond so many such steps the name's component is another.
_NEIGHBOUR = re.compile(
    r"_(?:SB_[A-Z0-9]+|LUT[1-8]|CCU2C|TRELLIS_FF|TRELLIS_DPR16X4|DP16KD|PFUMX|L6MUX21|ALU"
    r"|MUX2_LUT[5-8]|DFF[A-Z]*|CC_[A-Z0-9]+|FD[RSCP]E|CARRY4|MUXF[78])_(?=[A-Z])"
)
_FAR = 2
# All of a board's design but pins and clock; it is left out of names.
_CORE = "core."


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path from one flip-flop or memory to another.

    ``start`` and ``end`` name the registers, ``components`` the units that it runs through, in
    order; delays in ns, ``cells`` passed between the two ends.
    """

    start: str
    end: str
    components: tuple[str, ...]
    cells: int
    logic_ns: float
    routing_ns: float

    def __str__(self) -> str:
        units = " -> ".join(self.components) or "unnamed cells"
        return (
            f"{units} ({self.start} to {self.end}): {self.logic_ns + self.routing_ns:.1f} ns, "
            f"{self.routing_ns:.1f} of them on wires, through {self.cells} cells"
        )


@dataclass(frozen=True)
class Timing:
    """What the router found: the clock that it was asked for and the one that it reached, MHz.

    ``path`` is what bounds it, None where the report holds no path of this clock.
    """

    clock: str
    asked_mhz: float
    fmax_mhz: float
    path: CriticalPath | None = None

    @property
    def met(self) -> bool:
        return self.fmax_mhz >= self.asked_mhz

    def plain(self) -> dict[str, object] | None:
        """The path for a report."""
        return asdict(self.path) | {"text": str(self.path)} if self.path else None


def read_timing(
    report: Mapping, clock_mhz: float, components: Collection[str] = (), tool: str = "nextpnr"
) -> Timing:
    """The timing of the clock that was asked for, out of nextpnr's report.

    ``components`` are the paths of the design's modules (`component_paths`). Raises CheckError when
    no clock was analysed at ``clock_mhz``: a constraint that a router does not find leaves a
    default target that everything meets.
    """
    analysed = report["fmax"]
    for clock, figures in analysed.items():
        if abs(figures["constraint"] - clock_mhz) <= CLOCK_TOLERANCE * clock_mhz:
            paths = [
                path["path"]
                for path in report.get("critical_paths", ())
                # "posedge sync", not "<async>"
                if path["path"] and all(path[end].split()[-1] == clock for end in ("from", "to"))
            ]
            slowest = max(paths, key=_delay, default=None)
            path = _critical(slowest, components) if slowest else None
            return Timing(clock, clock_mhz, figures["achieved"], path)
    seen = ", ".join(f"{clock} at {f['constraint']:g} MHz" for clock, f in analysed.items())
    raise CheckError(
        f"the clock of {clock_mhz:g} MHz was not analysed by {tool} (it saw: {seen or 'none'}); "
        "its timing is unknown"
    )


def component_paths(rtlil: Iterable[str], top: str) -> set[str]:
    """Paths of all modules below ``top`` in a design's RTLIL, such as ``core.engine.sum_side``."""
    instances: dict[str, list[tuple[str, str]]] = {}
    module = ""
    for line in rtlil:
        if match := re.match(r"module \\(\S+)", line):
            module = match[1]
            instances[module] = []
        elif match := re.match(r"\s*cell \\(\S+) \\(\S+)", line):
            instances[module].append((match[1], match[2]))
    paths: set[str] = set()

    def walk(name: str, prefix: str) -> None:
        for kind, instance in instances[name]:
            if kind in instances:
                paths.add(prefix + instance)
                walk(kind, f"{prefix}{instance}.")

    walk(top, "")
    return paths


def _delay(steps: list[Mapping]) -> float:
    return sum(step["delay"] for step in steps)


def _critical(steps: list[Mapping], components: Collection[str]) -> CriticalPath:
    units: list[str] = []
    for step in steps:
        unit = _component(step["from"]["cell"], components)
        if unit and (not units or units[-1] != unit):
            units.append(unit)
    # A register belongs to its component however its cell is called.
    last = _component(steps[-1]["to"]["cell"], components)
    if last and units[-1:] != [last]:
        units.append(last)
    wires = _delay([step for step in steps if step["type"] == "routing"])
    return CriticalPath(
        start=_register(steps[0]["from"]["cell"]),
        end=_register(steps[-1]["to"]["cell"]),
        components=tuple(units),
        cells=sum(step["type"] == "logic" for step in steps),
        logic_ns=round(_delay(steps) - wires, 2),
        routing_ns=round(wires, 2),
    )


def _component(cell: str, components: Collection[str]) -> str | None:
    """The module that a cell belongs to; None where its name does not tell."""
    if len(_NEIGHBOUR.findall(cell)) > _FAR:
        return None
    parts = cell.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = ".".join(parts[:length])
        if path in components:
            return path.removeprefix(_CORE)
    return None


def _register(cell: str) -> str:
    """The signal or memory whose bit a cell holds."""
    name = _NEIGHBOUR.split(cell)[0].removeprefix(_CORE)
    return re.sub(r"(\.\d+){2}(_RAM)?$|_(DFFLC|LC|RAM)$", "", name)
