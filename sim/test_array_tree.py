"""The tree of carry chains against plain addition, and what it has too much."""

import numpy as np
import pytest

from hw.array.low_bits import carries_flipped
from hw.array.tree import FlippedTree, excess, tree_bits
from sim.test_array_passes import Stimulus, number


@pytest.mark.parametrize(
    ("numbers", "width"), [(1, 4), (2, 1), (3, 4), (5, 2), (7, 3), (8, 4), (16, 4), (12, 1)]
)
def test_sums_are_plain_minus_flipped_plus_excess(numbers, width, seed):
    rng = np.random.default_rng(seed)
    pixels, cycles = 3, 30
    dut = FlippedTree(pixels, numbers, width)
    values = rng.integers(0, 1 << width, (cycles, numbers, pixels))
    flips = rng.integers(0, 2, (cycles, numbers)).astype(bool)
    # The largest sums: all bits set where nothing is flipped, and all flips of zeros.
    values[0], flips[0] = (1 << width) - 1, False
    values[1], flips[1] = 0, True
    carries = rng.integers(0, 2, (cycles, numbers // 2, pixels))
    carries[0], carries[1] = 1, 1
    signs = np.where(flips, -1, 1)[..., None]
    expected = (signs * values).sum(axis=1) + excess(flips, width)[:, None]
    turned = carries_flipped(flips)[..., None]
    expected += np.where(turned, -carries, carries).sum(axis=1)
    assert expected.min() >= 0 and expected.max() < 1 << tree_bits(numbers, width)
    stimulus = Stimulus(dut)
    for cycle in range(cycles):
        pairs = zip(dut.numbers, values[cycle], strict=True)
        stimulus.set(cycle, *((port.as_value(), number(row, width)) for port, row in pairs))
        stimulus.set(cycle, (dut.flips, number(flips[cycle])))
        if numbers > 1:
            stimulus.set(cycle, (dut.carries, number(carries[cycle])))
        wanted = number(expected[cycle], tree_bits(numbers, width))
        stimulus.expect(cycle + dut.latency, f"sums of {cycle}", dut.sums.as_value(), wanted)
    stimulus.run()


def test_every_pattern_of_flips():
    """The sum stays in its bits whatever is flipped, for the most numbers that can be tried."""
    numbers, width = 10, 4
    flips = np.arange(1 << numbers)[:, None] >> np.arange(numbers) & 1
    found = excess(flips, width)
    negative = 15 * flips.sum(axis=1)  # of numbers with all bits set
    carries = carries_flipped(flips).sum(axis=1)  # all set, those that count down
    assert (found - negative - carries).min() >= 0
    highest = found + 15 * numbers - negative + numbers // 2 - carries
    assert highest.max() < 1 << tree_bits(numbers, width)
