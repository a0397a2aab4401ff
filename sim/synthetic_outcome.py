"""The outcome of a run that goes as predicted, made up without a simulation, for tests."""

from collections.abc import Sequence

import numpy as np

from hw.cycles import predict
from hw.engine_program import Program
from hw.sequencer import Phase
from sim.comparison import Difference, TensorCount
from sim.cycles import PHASES, TIMELINE
from sim.outcome import BatchResult, Outcome

__all__ = ["predicted_outcome", "predicted_timeline"]

VALUES = 1000  # compared an image


def predicted_timeline(program: Program) -> list[int]:
    """What each cycle of one image's convolutions is spent on, as a simulation's timeline says."""
    timeline = []
    for number, (plan, row) in enumerate(zip(program.plans, predict(program), strict=False)):
        phases = [Phase.FILL] * row.fill
        one_pass = [Phase.USEFUL] * plan.c_out
        one_pass += [Phase.STALL] * (plan.pass_cycles - plan.c_out)
        phases += (one_pass * plan.passes)[: row.useful + row.stall]
        phases += [Phase.DRAIN] * row.drain
        timeline += [PHASES * number + phase.value for phase in phases]
    return timeline


def predicted_outcome(
    program: Program,
    answers: Sequence[int],
    *,
    asked: int | None = None,
    differing: Sequence[int] = (),
    slow: int | None = None,
    timeline: int = TIMELINE,
) -> Outcome:
    """A run in one batch that answered ``answers``.

    ``asked`` are the images asked for, if more; in the images ``differing`` one value of the first
    layer differs; image ``slow`` stalls three cycles too long in its first layer; ``timeline`` is
    how many cycles it may cover.
    """
    rows, count = predict(program), len(answers)
    one = predicted_timeline(program)
    idle = max(0, program.load_cycles - len(one))
    starts = program.load_cycles + (len(one) + idle) * np.arange(count)
    results = starts + len(one) + rows[-1].cycles - 1
    nothing = [PHASES * (len(program.plans) - 1)]
    whole = nothing * program.load_cycles + (one + nothing * idle) * count
    whole += nothing * rows[-1].cycles
    cycles = np.zeros((count, len(rows), len(Phase)), np.uint32)
    for number, row in enumerate(rows):
        for phase in (Phase.FILL, Phase.USEFUL, Phase.STALL, Phase.DRAIN):
            cycles[:, number, phase.value] = getattr(row, phase.name.lower())
    if slow is not None:
        cycles[slow, 0, Phase.STALL.value] += 3
    wrong = np.zeros(count, np.int64)
    wrong[list(differing)] = 1
    first, name = None, rows[0].name
    if differing:
        first = Difference(min(differing), name, "activations", 0, 1, 2, expected=1, found=-1)
    batch = BatchResult(
        first=0,
        asked=asked or count,
        labels=np.array(answers, np.int64),
        cycles=cycles,
        starts=starts,
        results=results,
        total=int(results[-1]) + 1,
        tensors=(TensorCount(name, "activations", VALUES * count, len(differing)),),
        differing=wrong,
        first_difference=first,
        timeline=np.array(whole[: min(timeline, int(results[-1]) + 1)], np.uint16),
    )
    return Outcome(tuple(rows), 0, asked or count, [batch])
