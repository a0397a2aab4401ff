"""The host's end of a serial line in simulation: bits by bit times, not by the RTL's counters."""

from collections.abc import Sequence

__all__ = ["receive_bytes", "send_byte", "send_bytes"]


async def _wait_until(ctx, clock: list[int], cycle: float) -> None:
    """Let cycles pass until the testbench's own clock reaches ``cycle``."""
    pause = round(cycle) - clock[0]
    if pause > 0:
        await ctx.tick().repeat(pause)
        clock[0] += pause


async def send_byte(ctx, pin, byte: int, bit: float, *, stop: int = 1) -> None:
    """Drive one byte onto ``pin``; a bit lasts ``bit`` cycles, whole or not."""
    clock = [0]
    for place, level in enumerate([0, *(byte >> n & 1 for n in range(8)), stop]):
        ctx.set(pin, level)
        await _wait_until(ctx, clock, (place + 1) * bit)
    ctx.set(pin, 1)


async def send_bytes(ctx, pin, data: bytes, bit: float, gaps: Sequence[int] = ()) -> None:
    """Drive bytes onto ``pin``, with ``gaps[n]`` idle cycles before byte n (0 where it ends)."""
    for place, byte in enumerate(data):
        gap = gaps[place] if place < len(gaps) else 0
        if gap:
            await ctx.tick().repeat(gap)
        await send_byte(ctx, pin, byte, bit)


async def receive_bytes(ctx, pin, count: int, bit: int, *, patience: int) -> bytes:
    """Take ``count`` bytes off ``pin``; checks every start and stop bit.

    Raises AssertionError when the line stays idle for ``patience`` cycles.
    """
    data = bytearray()
    for _ in range(count):
        for _ in range(patience):
            if not ctx.get(pin):
                break
            await ctx.tick()
        else:
            raise AssertionError(f"no byte in {patience} cycles, {len(data)} of {count} received")
        await ctx.tick().repeat(bit // 2)
        assert ctx.get(pin) == 0, "start bit is too short"
        byte = 0
        for place in range(8):
            await ctx.tick().repeat(bit)
            byte |= ctx.get(pin) << place
        await ctx.tick().repeat(bit)
        assert ctx.get(pin) == 1, "stop bit is missing"
        data.append(byte)
    return bytes(data)
