"""Synthesises planned designs and says how far the estimate was off."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fractions import Fraction

from hw.boards import find_board
from hw.compiler import compile_network
from hw.flow.measured import measured
from hw.plan.explore import with_tau
from hw.plan.point import Plan
from model.network import Network

__all__ = ["verify"]


def verify(network: Network, plans: list[Plan], jobs: int) -> Iterator[tuple[Plan, dict]]:
    """(plan, resources by Yosys) of each, as they become ready, on ``jobs`` processes."""
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(_one, network, plan) for plan in plans]
        try:
            for plan, result in zip(plans, waiting, strict=True):
                yield plan, result.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one(network: Network, plan: Plan) -> dict:
    shape = dict(plan.parameters)
    other = with_tau(network, shape.pop("tau"))
    shape["fill"] = shape["fill"] or None
    program = compile_network(other, **shape)
    clock = Fraction(plan.clock_mhz).limit_denominator(1000)
    return asdict(measured(find_board(plan.board), program, clock))
