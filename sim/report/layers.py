"""A report's layers: shape, cycles by phase, memory traffic, and what bounds them."""

from dataclasses import asdict

from hw.bounds import bound, kernel_applications
from hw.engine_program import Program
from hw.schedule import LayerCycles
from hw.traffic import traffic
from sim.cycles import LayerRow, rows
from sim.outcome import Outcome

__all__ = ["layer_entries", "share"]


def share(part: float, whole: float) -> float | None:
    """A share with four digits; None of nothing."""
    return round(part / whole, 4) if whole else None


def layer_entries(program: Program, outcome: Outcome) -> list[dict]:
    """One entry a layer, the head last, of the run's first image.

    ``kernel_applications`` are those that the engine does (see `hw.bounds`), ``lane_use`` their
    share of what its lanes could do in the layer's cycles; ``index_bits_stored`` are tau bits an
    index, ``index_bits_read`` what one image reads, ``index_bits_fetched`` what comes in for it
    through an index port. Entries of the head are None where the array has no part in it.
    """
    network, slots = program.network, program.parameters.kernel_applications
    found = rows(outcome.predicted, outcome.first_image_cycles)
    moved = [asdict(layer) for layer in traffic(program)]
    entries = []
    for plan, conv, row, bits in zip(program.plans, network.convs, found, moved, strict=False):
        applications = kernel_applications(program, plan)
        entries.append(
            _cycles(row)
            | {
                "kernel_applications": applications,
                "lane_use": share(applications, row.cycles * slots),
                "c_in": conv.c_in,
                "c_out": plan.c_out,
                "height": plan.height,
                "width": plan.width,
                "stride": conv.stride,
                "pool": conv.pool,
                "tau": getattr(conv, "tau", None),
                "index_bits_stored": conv.stored_bits,
            }
            | bits
            | {"bound": _bound(program, plan, row)}
        )
    head = network.head
    shape = {"c_in": head.channels, "c_out": head.classes, "height": head.height,
             "width": head.width, "stride": None, "pool": None, "tau": None}  # fmt: skip
    nothing = {"kernel_applications": None, "lane_use": None, "index_bits_stored": 0}
    entries.append(_cycles(found[-1]) | nothing | shape | moved[-1] | {"bound": None})
    return entries


def _cycles(row: LayerRow) -> dict:
    return asdict(row) | {"useful_share": share(row.useful, row.cycles)}


def _bound(program: Program, plan, row: LayerRow) -> dict | None:
    """The bound by the simulated cycles; None for a layer that never did anything, or that has no
    kernel applications, as a pooling has none."""
    if not row.useful or plan.stands_in:
        return None
    cycles = LayerCycles(row.name, row.kind, row.cycles, row.useful, row.fill, row.drain,
                         row.stall, row.macs)  # fmt: skip
    found = asdict(bound(program, plan, cycles))
    return {key: round(n, 4) if isinstance(n, float) else n for key, n in found.items()}
