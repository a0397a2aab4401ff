"""A read-only memory in one line; or one that can be loaded while nobody reads it."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, ShapeLike, Value, ValueLike
from amaranth.lib.memory import Memory

__all__ = ["in_block", "rom"]


def in_block(width: int, depth: int) -> bool:
    """Whether a read-only memory shall lie in block RAM.

    Up to 64 words are one LUT6 a bit. Yosys takes block RAM for more from about 25 kbit on, and
    makes logic of less, a LUT for some 15 to 40 bits: 377 LUT of 5 kbit, 400 LUT of 16 kbit.
    """
    return depth > 64 and width * depth >= 4096


def rom(
    m: Module,
    name: str,
    shape: ShapeLike,
    words: tuple[int, ...],
    address: ValueLike,
    load=None,
    *,
    domain: str = "sync",
) -> Value:
    """Data of a read-only memory of ``words``, one cycle after the address (domain "comb": in the
    same cycle). ``load`` is the memory's `hw.loading.port.memory_port`, where it has one."""
    depth = max(len(words), 2)
    width = Shape.cast(shape).width
    attrs = {"ram_style": "block"} if domain == "sync" and in_block(width, depth) else {}
    memory = Memory(shape=shape, depth=depth, init=words, attrs=attrs)
    m.submodules[name] = memory
    read = memory.read_port(domain=domain)
    if load is None:
        m.d.comb += read.addr.eq(address)
        return read.data
    write = memory.write_port()
    data = Value.cast(read.data)
    whole = Cat(data, Const(0, -width % 8))
    m.d.comb += [
        read.addr.eq(Mux(load.read, load.address, address)),
        write.addr.eq(load.address),
        write.data.eq(load.data),
        write.en.eq(load.write),
        load.byte.eq(whole.word_select(load.place, 8) if width > 8 else whole),
    ]
    return read.data
