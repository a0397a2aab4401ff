"""The ports through which a network's memories are written and read back."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["memory_port", "ports"]


def memory_port(width: int, depth: int) -> wiring.Signature:
    """Access to a memory of ``depth`` words of ``width`` bits, from the side that loads.

    write, address, data : Out, a word is written in this cycle. read : Out, while the engine rests:
    the memory reads at ``address``, and ``byte``, In, is the ``place``-th byte of what it gives, a
    cycle after the address.
    """
    places = -(-width // 8)
    return wiring.Signature(
        {
            "write": Out(1),
            "read": Out(1),
            "address": Out(range(max(depth, 2))),
            "data": Out(width),
            "place": Out(range(max(places, 2))),
            "byte": In(8),
        }
    )


def ports(slots, *names: str) -> dict:
    """The member ``contents`` of a component that holds the named of these `hw.loading.slots.Slot`;
    none where it holds none of them."""
    members = {
        slot.name: Out(memory_port(slot.width, slot.depth)) for slot in slots if slot.name in names
    }
    return {"contents": In(wiring.Signature(members))} if members else {}
