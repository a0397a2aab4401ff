"""Basis lut: each engine is the fastest that a budget of 7-series LUTs allows.

Direct and shared array of the fewest cycles are chosen by estimated LUTs and synthesised; where
that misses the budget by much, the estimate is corrected by what it said and the choice made again,
at most three times. What both then take is never equal to a LUT, so the speed-up is given at equal
LUTs, each engine's rate being taken as proportional to its LUTs (``cycle_ratio`` is as it is).
Asked for, each array's own clock is measured on an ECP5 and counted, too (``speedup_own_clocks``).

What takes the stem's place in a stack, a plane a channel of the first map, needs an encoder that no
network has: the engines are synthesised with one of 16 levels.
"""

from collections.abc import Iterator

from hw.compiler import compile_network
from hw.flow.progress import Progress
from hw.params import ArrayParameters
from model.bits import TAPS
from model.errors import UserError
from sim.speedup.clocks import array_clock
from sim.speedup.measure import Measurer, array_text
from sim.speedup.options import Question
from sim.speedup.rows import row
from sim.speedup.search import Candidate, Correction, Search
from sim.speedup.synthesis import Synthesis, synthesise_engine
from sim.speedup.weights import Weights
from sim.stacks import STACKS

__all__ = ["equal_luts", "lut_rows"]

CHOICES = 3
# Share of a budget from which on no other array is tried.
CLOSE = 0.96
LEVELS = 16
KEPT = "synthesis"


def lut_rows(question: Question, measurer: Measurer) -> Iterator[dict]:
    """A row for each budget. Raises as `Measurer.measure`, and UserError where a budget is too
    small for any array, or Yosys is missing or fails."""
    binary, subbit = Weights(TAPS), Weights(question.tau)
    search = Search(measurer.network(binary))
    for budget in question.budgets:
        chosen, slow_area = _choose(question, measurer, search, binary, budget, Correction())
        slow = measurer.measure(binary, **chosen.shape)
        # What the estimate says wrong of the lanes, it says wrong of both engines.
        first = Correction.of([(chosen.estimated, slow_area.resources.lut)])
        chosen, fast_area = _choose(question, measurer, search, subbit, budget, first)
        fast = measurer.measure(subbit, **chosen.shape)
        luts = (slow_area.resources.lut, fast_area.resources.lut)
        ratio = slow.cycles / fast.cycles
        clocks = _clocks(question, slow.parameters, fast.parameters) if question.clocks else None
        speedup = equal_luts(ratio, *luts)
        yield row("lut", slow, fast, budget=budget) | {
            "lut_binary": luts[0],
            "lut_subbit": luts[1],
            "cycle_ratio": round(ratio, 4),
            "speedup": round(speedup, 4),
            "clocks": clocks,
            "speedup_own_clocks": clocks and round(speedup * _faster(clocks), 4),
            "resources": {
                "binary": vars(slow_area.resources),
                "subbit": vars(fast_area.resources),
            },
            "index_bits_left_out": {
                "binary": slow_area.index_bits_left_out,
                "subbit": fast_area.index_bits_left_out,
            },
        }


def _clocks(question: Question, *arrays: ArrayParameters) -> dict[str, dict]:
    """Each array's own clock after place and route, see `array_clock`."""
    found = [array_clock(array, question.out / KEPT, Progress()) for array in arrays]
    return dict(zip(("binary", "subbit"), found, strict=True))


def _faster(clocks: dict[str, dict]) -> float:
    return clocks["subbit"]["fmax_mhz"] / clocks["binary"]["fmax_mhz"]


def equal_luts(cycle_ratio: float, lut_binary: int, lut_subbit: int) -> float:
    """Speed-up if both engines had the same LUTs and their rates grew with them."""
    return cycle_ratio * lut_binary / lut_subbit


def _choose(
    question: Question,
    measurer: Measurer,
    search: Search,
    weights: Weights,
    budget: int,
    correct: Correction,
) -> tuple[Candidate, Synthesis]:
    """The fastest engine in the budget, synthesised; ``correct`` are first estimates."""
    tried: dict[ArrayParameters, tuple[Candidate, Synthesis]] = {}
    for _ in range(CHOICES):
        chosen = search.best(weights, budget, correct)
        if chosen is None or chosen.parameters in tried:
            break
        measurer.console.print(
            f"{budget:,} LUTs, {weights.text}: {array_text(chosen.parameters)}, "
            f"{chosen.cycles:,} cycles, estimated at {chosen.luts:,.0f} LUTs"
        )
        levels = min(LEVELS, STACKS[question.net].channels)
        network = measurer.network(weights, levels=levels)
        program = compile_network(network, **chosen.shape)
        area = synthesise_engine(program, question.out / KEPT, Progress())
        measurer.console.print(f"  it takes {area.resources.lut:,} LUTs")
        tried[chosen.parameters] = (chosen, area)
        if CLOSE * budget <= area.resources.lut <= budget:
            break
        correct = Correction.of([(c.estimated, a.resources.lut) for c, a in tried.values()])
    if not tried:
        raise UserError(f"--luts {budget}: too few for any engine that runs {question.net}")
    return _nearest(list(tried.values()), budget)


def _nearest(tried: list[tuple[Candidate, Synthesis]], budget: int) -> tuple[Candidate, Synthesis]:
    """The fastest that does keep to the budget, or else the smallest."""
    fitting = [(c, a) for c, a in tried if a.resources.lut <= budget]
    if fitting:
        return min(fitting, key=lambda pair: pair[0].cycles)
    return min(tried, key=lambda pair: pair[1].resources.lut)
