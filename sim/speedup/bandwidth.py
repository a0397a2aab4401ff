"""Basis index_bandwidth: both engines get their indices through a port of the same width.

Lanes, channels and the index words kept on chip are the same, too (`hw.index.buffer`); the 1-bit
engine's words are wider, so it is given more memory. `sim.bandwidth` predicts more widths at once.
"""

from collections.abc import Iterator

from hw.params import DEFAULT_BUFFER
from model.bits import TAPS
from sim.speedup.measure import Measurer
from sim.speedup.options import Question
from sim.speedup.rows import row
from sim.speedup.weights import Weights

__all__ = ["bandwidth_rows"]

CHANNELS = 16


def bandwidth_rows(question: Question, measurer: Measurer) -> Iterator[dict]:
    """A row for each width of the port, with antipodal codebooks; raises as `Measurer.measure`."""
    weights = Weights(question.tau, antipodal=True)
    for bits in question.port_bits:
        shape = {"pixels": question.pixels, "channels": CHANNELS, "index_port": bits}
        binary = measurer.measure(Weights(TAPS), array="direct", **shape)
        subbit = measurer.measure(weights, array="shared", **shape)
        yield row(
            "index_bandwidth", binary, subbit, port_bits=bits, buffer_words=DEFAULT_BUFFER
        )
