"""What the two engines of a row have equally much of: the bases by name."""

from collections.abc import Callable, Iterator

from sim.speedup.bandwidth import bandwidth_rows
from sim.speedup.dot9 import dot9_rows
from sim.speedup.luts import lut_rows
from sim.speedup.measure import Measurer
from sim.speedup.options import Question

__all__ = ["BASES"]

#: A basis yields its rows one by one (see `sim.speedup.rows`); a new one is one more line.
BASES: dict[str, Callable[[Question, Measurer], Iterator[dict]]] = {
    "dot9": dot9_rows,
    "lut": lut_rows,
    "index_bandwidth": bandwidth_rows,
}
