"""Cycles for which the engine waits for index words of the port: exact, word by word.

Where the word that the issuer wants is not in the buffer, the whole engine rests, but for the
index side and the head. So time within a layer is its static schedule (`hw.schedule`) plus the
cycles waited so far, and three times follow from each other, for the k-th word that comes in:

    written[k]  = max(written[k - 1] + d, released[k - B] + 1)
    read[k]     = max(when the schedule and the waiting so far want it, written[k] + 1)
    released[k] = the last cycle in which k is read

with a ring of B words and the gearbox's pace: with W bits a word and h bits held when it gives
word k - 1, it must take ``a = ceil((2 W - h) / BITS)`` port words for the next one (0 where h
suffices), a cycle each, the first of them in the same cycle, so ``d = max(a, 1)``.

This holds while the port has a word in every cycle in which it is asked. Time is counted in
cycles in which the engine works on the image; others change nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

from hw.engine_program import Program
from hw.index.stream import resident
from hw.params import IndexPort
from hw.schedule import SETUP

__all__ = ["index_waits"]


@dataclass(frozen=True)
class _Demand:
    """When a layer wants index words: ``c_out`` a pass, passes ``pass_cycles`` apart.

    ``tiles`` is how often it wants the same words, those of ``groups`` passes.
    Of a layer that is ``silent``, none come through the port.
    ``lead`` cycles from the layer's first one to its first word; ``tail`` from behind its last
    word to the next layer's first cycle.
    """

    tiles: int
    groups: int
    c_out: int
    pass_cycles: int
    resident: bool
    lead: int
    tail: int
    silent: bool


def index_waits(program: Program) -> tuple[int, ...]:
    """Cycles waited in each convolution, for one image; zeros where indices are on chip."""
    if program.index_port is None:
        return (0,) * len(program.plans)
    timing = program.timing
    demands = tuple(
        _Demand(
            plan.rounds,
            plan.passes // plan.rounds,
            plan.c_out,
            plan.pass_cycles,
            resident(program, plan),
            SETUP + timing.reading(plan.reads).prepare,
            timing.layer_drain(plan.c_out, plan.out_bits),
            plan.stands_in,
        )
        for plan in program.plans
    )
    return _waits(program.index_port, program.parameters.index_bits, demands)


@lru_cache(maxsize=256)
def _waits(port: IndexPort, width: int, demands: tuple[_Demand, ...]) -> tuple[int, ...]:
    bits, depth = port.bits, port.buffer_words
    released: list[int] = []
    first = -(-width // bits)
    # The first layer's start strobe is the last cycle of the set-up.
    written, held = SETUP + first, first * bits
    count = 0  # words written
    now = 0  # the layer's first cycle
    waits = []
    for layer in demands:
        begin = now + layer.lead
        waited = 0
        for tile in range(0 if layer.silent else layer.tiles):
            for group in range(layer.groups):
                base = begin + (tile * layer.groups + group) * layer.pass_cycles
                if layer.resident and tile:
                    if tile == layer.tiles - 1:
                        released.extend(range(base + waited, base + waited + layer.c_out))
                    continue
                for wanted in range(base, base + layer.c_out):
                    if count:
                        held -= width
                        taken = -(-(width - held) // bits) if held < width else 0
                        held += taken * bits
                        written += max(taken, 1)
                    if count >= depth:
                        written = max(written, released[count - depth] + 1)
                    count += 1
                    waited = max(waited, written + 1 - wanted)
                    if not layer.resident:
                        released.append(wanted + waited)
        waits.append(waited)
        last = begin + (layer.tiles * layer.groups - 1) * layer.pass_cycles + layer.c_out
        now = last + waited + layer.tail
    return tuple(waits)
