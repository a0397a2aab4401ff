"""A read-only memory in one line."""

from amaranth.hdl import Module, ShapeLike, Value, ValueLike
from amaranth.lib.memory import Memory

__all__ = ["rom"]


def rom(
    m: Module, name: str, shape: ShapeLike, words: tuple[int, ...], address: ValueLike
) -> Value:
    """Data of a read-only memory of ``words``, one cycle after the address."""
    memory = Memory(shape=shape, depth=max(len(words), 2), init=words)
    m.submodules[name] = memory
    read = memory.read_port()
    m.d.comb += read.addr.eq(address)
    return read.data
