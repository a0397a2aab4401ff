"""What bounds each layer's speed on an engine, and how far it is from what the array could do.

The engine reads one index word a cycle at most, and that word is work for all lanes. So the array
does ``P * C`` kernel applications a cycle at best, and ``C * tau`` index bits a cycle feed it: a
roofline whose slope ends where a layer does ``P / tau`` kernel applications for each index bit.

A layer's kernel applications for each index bit fall short of that where its map does not fill
the lanes or its channels do not fill the last group. Its speed falls short of the roof above it
where cycles pass without an index word: while tables are filled, at its beginning and its end, and
while a word has not come through the index port yet, where there is one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hw.engine_program import LayerPlan, Program
from hw.schedule import LayerCycles

__all__ = ["BOUNDS", "Bound", "bound", "kernel_applications", "wanted_lane_slots"]

BOUNDS = ("lanes", "index bandwidth", "filling", "latency")
# Share of the lane slots with work from which on the lanes count as full, and of a pass's words
# that need not be waited for from which on the index port counts as fast enough.
FULL_LANES = 0.75


@dataclass(frozen=True)
class Bound:
    """What bounds a layer.

    ``kind`` is one of `BOUNDS`, ``reason`` says why. The roofline's coordinates: kernel
    applications a cycle that the layer reached (``reached``) and would reach with an index word
    in every cycle (``possible``), and kernel applications for each index bit (``intensity``).
    """

    kind: str
    reason: str
    reached: float
    possible: float
    intensity: float


def wanted_lane_slots(program: Program, plan: LayerPlan) -> Iterator[int]:
    """For each pass of a layer, in order, the lane slots with work in them, a cycle.

    A lane slot is one lane's place for one channel: P * C a cycle. Without work are lanes that
    hold no pixel of the map, and channels that the last group lacks. A bundle of a 1x1 convolution
    (`hw.pointwise`) is work for one, and so is each plane of numbers of several bits. Pooling a
    stream (`hw.stand_in`) is none.
    """
    outputs = program.geometries[plan.geometry].outputs
    for tile in range(plan.tiles):
        row, column = divmod(tile, plan.columns)
        rows = min(outputs.rows, plan.sums_height - row * outputs.rows)
        lanes = rows * min(outputs.columns, plan.sums_width - column * outputs.columns)
        for group in range(plan.planes * plan.groups):
            last = group % plan.groups == plan.groups - 1
            channels = plan.last_channels if last else program.parameters.channels
            yield 0 if plan.stands_in else lanes * channels


def kernel_applications(program: Program, plan: LayerPlan) -> int:
    """Kernel applications of one image that the engine does: a pooled map's odd last row
    and column, which pooling leaves out, are not counted where tiles hold nothing else."""
    return plan.c_out * sum(wanted_lane_slots(program, plan))


def bound(program: Program, plan: LayerPlan, cycles: LayerCycles) -> Bound:
    """What bounds a layer that takes these cycles (predicted or simulated; useful ones > 0).

    ``latency``: the cycles outside its passes (setup, first loading, draining) are more than those
    in them, or what keeps passes apart is not loading but the latency of a swap or a partial sum.
    ``filling``: loading a pass's windows or filling its tables takes longer than its index words.
    ``index bandwidth``: an index word goes out in every cycle of a pass, but more than a quarter
    of the lane slots have no work; or, before ``filling``, more than a quarter of the time that
    index words take is waiting for the index port, and more than filling keeps passes apart.
    ``lanes``: an index word in every cycle, and work in the lanes.
    """
    parameters, timing = program.parameters, program.timing.reading(plan.reads)
    slots = parameters.kernel_applications
    applications = kernel_applications(program, plan)
    possible = applications / cycles.useful
    busy = possible / slots
    outside, inside = cycles.fill + cycles.drain, cycles.useful + cycles.stall
    loading = timing.steps * timing.stride
    apart = (plan.passes - 1) * (plan.pass_cycles - plan.c_out)
    waited = cycles.stall - apart if program.index_port else 0
    in_time = cycles.useful / (cycles.useful + max(waited, 0))
    if outside > inside:
        kind = "latency"
        reason = f"begins and ends for {outside:,} cycles, its passes take {inside:,}"
    elif in_time < FULL_LANES and waited > apart:
        kind = "index bandwidth"
        reason = (
            f"waits {waited:,} cycles for the index port, {program.index_port.bits} bits a cycle, "
            f"at {cycles.useful:,} index words of {parameters.index_bits}"
        )
    elif plan.pass_cycles > plan.c_out:
        kind = "filling" if plan.pass_cycles == loading else "latency"
        what = {"filling": "loading", "latency": "the pipeline"}[kind]
        if plan.pass_cycles > timing.shortest_pass:
            what = f"writing {plan.out_bits} planes a channel"
        if kind == "filling" and parameters.array == "shared":
            what = "filling tables"
        reason = f"{what} takes {plan.pass_cycles} cycles a pass, the index words {plan.c_out}"
    elif plan.stands_in:
        kind = "lanes"
        reason = "pools a stream, a word of all lanes a cycle"
    elif busy < FULL_LANES:
        kind = "index bandwidth"
        reason = f"each index word finds work in {100 * busy:.0f}% of the lane slots only"
    else:
        kind = "lanes"
        reason = f"work in {100 * busy:.0f}% of the lane slots, an index word in every cycle"
    return Bound(
        kind=kind,
        reason=reason,
        reached=applications / cycles.cycles,
        possible=possible,
        intensity=applications / (cycles.useful * parameters.channels * parameters.tau),
    )
