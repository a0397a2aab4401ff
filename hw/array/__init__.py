"""XNOR-popcount arrays: two forms behind one interface."""

from hw.array.direct import DirectArray
from hw.array.interface import ArrayTiming
from hw.array.shared import SharedArray
from hw.params import ArrayParameters

__all__ = ["DirectArray", "SharedArray", "array_timing", "make_array"]


_ARRAYS = {"direct": DirectArray, "shared": SharedArray}


def make_array(parameters: ArrayParameters) -> DirectArray | SharedArray:
    """The array that ``parameters.array`` names."""
    return _ARRAYS[parameters.array](parameters)


def array_timing(parameters: ArrayParameters) -> ArrayTiming:
    """The latencies of that array."""
    return _ARRAYS[parameters.array].timing(parameters)
