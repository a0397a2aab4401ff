"""The cycle model: every layer's cycles in closed form, equal to the simulated ones.

``cycles = setup + prepare + (passes - 1) * pass_cycles + c_out + drain`` with
``passes = tiles * planes * groups``; the constants are those of `hw.schedule.Timing`. With an index
port, a layer also waits for index words (`hw.index.schedule`); these cycles count as stall.
"""

from dataclasses import replace

from hw.engine_program import Program
from hw.index.schedule import index_waits
from hw.schedule import LayerCycles

__all__ = ["predict", "total_cycles"]


def predict(program: Program) -> list[LayerCycles]:
    """Cycles of each convolution for one image, and of the head behind the last one."""
    layers = [
        program.timing.reading(plan.reads).layer(
            plan.name,
            plan.passes,
            plan.c_out,
            plan.macs,
            plan.tile_passes,
            plan.out_bits,
            kind=conv.kind,
        )
        for plan, conv in zip(program.plans, program.network.convs, strict=True)
    ]
    layers = [
        replace(layer, cycles=layer.cycles + waited, stall=layer.stall + waited)
        for layer, waited in zip(layers, index_waits(program), strict=True)
    ]
    head = program.network.head
    cycles = program.head_cycles
    layers.append(LayerCycles(head.name, head.kind, cycles, 0, 0, cycles, 0, head.macs))
    return layers


def total_cycles(program: Program) -> int:
    """Cycles of one image whose pixels are loaded: from its first layer to its result."""
    return sum(layer.cycles for layer in predict(program))
