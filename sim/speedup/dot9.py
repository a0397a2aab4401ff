"""Basis dot9: both engines have the same number of dot9 units, P x F.

The direct array applies F channels' kernels a cycle with them. The shared array fills the tables
of C = F x look-ups channels with them, and reads C tables a cycle.
"""

from collections.abc import Iterator

from model.bits import TAPS
from sim.speedup.measure import Measurer
from sim.speedup.options import Question
from sim.speedup.published import closed_form, published
from sim.speedup.rows import row
from sim.speedup.weights import Weights

__all__ = ["dot9_rows"]


def dot9_rows(question: Question, measurer: Measurer) -> Iterator[dict]:
    """A row for each codebook, number of units a lane and number of look-ups a unit.

    Left out are arrays wider than the network's widest layer has input channels. Raises as
    `Measurer.measure`.
    """
    plain = Weights(TAPS)
    stack = measurer.network(plain)
    widest = max(conv.c_in for conv in stack.convs)
    # Positions are those of outputs.
    shapes = [
        (conv.c_in, conv.c_out, -(-conv.height // conv.stride) * -(-conv.width // conv.stride))
        for conv in stack.convs
    ]
    for units in question.units:
        for antipodal in (False, True):
            weights = Weights(question.tau, antipodal)
            for lookups in question.lookups:
                if units * lookups > widest:
                    continue
                binary = measurer.measure(
                    plain, array="direct", pixels=question.pixels, channels=units
                )
                subbit = measurer.measure(
                    weights,
                    array="shared",
                    pixels=question.pixels,
                    channels=units * lookups,
                    fill=units,
                )
                yield row(
                    "dot9",
                    binary,
                    subbit,
                    units=units,
                    lookups=lookups,
                    closed_form=round(closed_form(shapes, weights.entries, lookups), 4),
                    published=_published(question, weights, lookups),
                )


def _published(question: Question, weights: Weights, lookups: int) -> float | None:
    """Beside the very element only: an antipodal table of 32 entries (tau 6) is not it."""
    if weights.antipodal:
        return None
    return published(question.net, question.bits, weights.entries, lookups)
