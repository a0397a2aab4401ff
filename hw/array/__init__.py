"""XNOR-popcount arrays: two forms behind one interface, and what zero padding needs."""

from hw.array.border import BorderCorrection
from hw.array.direct import DirectArray
from hw.array.shared import SharedArray
from hw.params import ArrayParameters

__all__ = ["BorderCorrection", "DirectArray", "SharedArray", "make_array"]


def make_array(parameters: ArrayParameters) -> DirectArray | SharedArray:
    """The array that ``parameters.array`` names."""
    return {"direct": DirectArray, "shared": SharedArray}[parameters.array](parameters)
