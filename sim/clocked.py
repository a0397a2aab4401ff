"""Runs a component against a testbench in Amaranth's simulator, with a limit on its cycles."""

from collections.abc import Callable, Iterable

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

__all__ = ["simulate"]


def simulate(
    dut: Elaboratable,
    *testbenches: Callable,
    background: Iterable[Callable] = (),
    cycles: int = 100_000,
) -> None:
    """Run until every testbench has returned; those in the background need not.

    Raises AssertionError where the limit of cycles is reached first: a hang, not a slow test.
    """
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)

    async def watchdog(ctx) -> None:
        for _ in range(cycles):
            await ctx.tick()
        raise AssertionError(f"not done within {cycles} cycles")

    simulator.add_testbench(watchdog, background=True)
    simulator.run()
