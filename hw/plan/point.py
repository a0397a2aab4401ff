"""One planned design: exact cycles, estimated resources, and what bounds it."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from hw.boards import Board
from hw.bounds import bound
from hw.cycles import predict
from hw.engine_program import Program
from hw.flow.autosize import fullness, margins
from hw.flow.clock import estimate_clock
from hw.flow.estimate import estimate
from hw.flow.report import resource_table

__all__ = ["Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """A design for a board. The fields are the keys of the report.

    ``cycles`` an image are exact; ``images_per_second`` is one image behind the other's result, but
    no more than the input takes, a pixel a cycle. ``resources`` ({"lut": {"used", "available"},
    ...}) are estimated, and ``clock_mhz`` is what was asked for: whether it is reached, only a
    router can say.
    ``estimated_mhz`` is what routed designs let expect, None where none of the family was routed,
    ``clock_basis`` where it comes from, ``estimated_images_per_second`` what it would make.
    ``fits``: every resource stays within the board's margins; ``fullest`` names the one that is
    nearest to its margin, ``share`` of the part it takes. ``bound_by``: shares of the layers'
    cycles by what bounds the layers (`hw.bounds`).
    """

    board: str
    part: str
    parameters: dict[str, object]
    cycles: int
    clock_mhz: float
    images_per_second: float
    estimated_mhz: float | None
    clock_basis: str
    estimated_images_per_second: float | None
    resources: dict[str, dict[str, float]]
    fits: bool
    fullest: str
    share: float
    bound_by: dict[str, float]
    index_bits: int
    reason: str


def plan(program: Program, board: Board, clock_mhz: Fraction, reason: str) -> Plan:
    """The plan of a compiled network; takes milliseconds, and no tool."""
    needs = estimate(program, board.family)
    full, fullest = fullness(needs, board)
    layers = predict(program)
    cycles = sum(layer.cycles for layer in layers)
    spent: Counter[str] = Counter()
    for place, layer in zip(program.plans, layers, strict=False):
        spent[bound(program, place, layer).kind] += layer.cycles
    p = program.parameters
    reach = estimate_clock(board, needs.lut)
    # Images follow each other no faster than their pixels come in, one a cycle.
    spacing = max(cycles, program.load_cycles)
    return Plan(
        board=board.name,
        part=board.part,
        parameters={
            "array": p.array,
            "pixels": p.pixels,
            "channels": p.channels,
            "fill": p.fill,
            "tau": p.tau,
        },
        cycles=cycles,
        clock_mhz=float(clock_mhz),
        images_per_second=round(float(clock_mhz) * 1e6 / spacing, 1),
        estimated_mhz=reach.mhz,
        clock_basis=reach.basis,
        estimated_images_per_second=reach.mhz and round(reach.mhz * 1e6 / spacing, 1),
        resources=resource_table(needs, board.available),
        fits=full <= 1,
        fullest=fullest,
        share=round(full * margins(board)[fullest], 4),
        bound_by={kind: round(n / spent.total(), 4) for kind, n in spent.most_common()},
        index_bits=program.network.stored_bits,
        reason=reason,
    )
