"""A chain of registers."""

from amaranth.hdl import Module, Signal

__all__ = ["delay"]


def delay(m: Module, value, cycles: int, name: str):
    """``value`` as it was ``cycles`` cycles ago (the value itself for 0); keeps a View's fields."""
    for stage in range(1, cycles + 1):
        register = Signal(value.shape(), name=f"{name}_{stage}")
        m.d.sync += register.eq(value)
        value = register
    return value
