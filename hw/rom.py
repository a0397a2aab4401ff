"""A read-only memory in one line."""

from amaranth.hdl import Module, Shape, ShapeLike, Value, ValueLike
from amaranth.lib.memory import Memory

__all__ = ["in_block", "rom"]


def in_block(width: int, depth: int) -> bool:
    """Whether a read-only memory shall lie in block RAM.

    Up to 64 words are one LUT6 a bit. Yosys takes block RAM for more from about 25 kbit on, and
    makes logic of less, a LUT for some 15 to 40 bits: 377 LUT of 5 kbit, 400 LUT of 16 kbit.
    """
    return depth > 64 and width * depth >= 4096


def rom(
    m: Module, name: str, shape: ShapeLike, words: tuple[int, ...], address: ValueLike
) -> Value:
    """Data of a read-only memory of ``words``, one cycle after the address."""
    depth = max(len(words), 2)
    attrs = {"ram_style": "block"} if in_block(Shape.cast(shape).width, depth) else {}
    memory = Memory(shape=shape, depth=depth, init=words, attrs=attrs)
    m.submodules[name] = memory
    read = memory.read_port()
    m.d.comb += read.addr.eq(address)
    return read.data
