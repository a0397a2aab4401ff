"""The plans of compressors and the adder made of them, against plain addition."""

import numpy as np
import pytest

from hw.array.adder import AdderShape, PlaneAdder
from hw.array.plan import INPUTS, plan
from sim.test_array_passes import Stimulus, number

SHAPES = [
    AdderShape((1,), (0,), 1),
    AdderShape((0,), (1,), 1),
    AdderShape((0,), (2,), 2),
    AdderShape((4,), (3,), 3),
    AdderShape((0,), (7,), 3, barriers=0),
    AdderShape((0, 3, 1), (5, 0, 2), 5),
    AdderShape((16, 16, 16, 16), (0, 0, 0, 0), 8),
    AdderShape((16, 0, 0, 0), (0, 16, 16, 16), 8),
    AdderShape((144,), (0,), 8),
    AdderShape((16, 0), (0, 64), 8, barriers=2),
    AdderShape((0,), (16,), 5, barriers=0),
    AdderShape((0, 0), (0, 5), 4, barriers=1),
]


def weights(shape: AdderShape) -> np.ndarray:
    """Weight of every input bit, in the order of the plan."""
    counts = [a + b for a, b in zip(shape.flipped, shape.plain, strict=True)]
    return np.repeat(1 << np.arange(len(counts)), counts)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_plan_keeps_the_sum(shape: AdderShape, seed: int = 6):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    steps = plan(shape.flipped, shape.plain, shape.width)
    weight = list(weights(shape))
    values = list(rng.integers(0, 2, (len(weight), 200)))
    expected = sum(w * v for w, v in zip(weight, values, strict=True))
    pins = [
        1 + (place < flips)
        for flips, others in zip(shape.flipped, shape.plain, strict=True)
        for place in range(flips + others)
    ]
    for gate in steps.compressors:
        taken = (*gate.low, *gate.high)
        assert sum(pins[bit] for bit in taken) <= INPUTS
        total = sum(values[bit] for bit in gate.low) + 2 * sum(values[bit] for bit in gate.high)
        for place, bit in enumerate(gate.outputs):
            assert bit == len(values)
            values.append(total >> place & 1)
            pins.append(1)
    result = sum(values[bit] << c for c, bit in enumerate(steps.total) if bit is not None)
    assert np.array_equal(result, expected)


@pytest.mark.parametrize(("shape", "luts"), [(SHAPES[6], 82), (SHAPES[9], 80)], ids=str)
def test_plans_of_the_usual_arrays_are_small(shape: AdderShape, luts: int):
    """LUTs of a lane's adder for 16 channels: shared with an antipodal codebook, direct."""
    assert plan(shape.flipped, shape.plain, shape.width).luts <= luts


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_adder(shape: AdderShape, seed: int = 7):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    lanes = 5
    dut = PlaneAdder(lanes, shape)
    stimulus = Stimulus(dut)
    for cycle in range(12):
        total = np.zeros(lanes, np.int64)
        for c, (some, others) in enumerate(zip(shape.flipped, shape.plain, strict=True)):
            planes, flips = rng.integers(0, 2, (some, lanes)), rng.integers(0, 2, some)
            plain = rng.integers(0, 2, (others, lanes))
            if cycle == 0:  # the largest sum
                planes, plain = 1 - np.repeat(flips[:, None], lanes, axis=1), plain | 1
            if some:
                stimulus.set(cycle, (getattr(dut, f"flipped_{c}"), number(planes)))
                stimulus.set(cycle, (getattr(dut, f"flips_{c}"), number(flips)))
            if others:
                stimulus.set(cycle, (getattr(dut, f"plain_{c}"), number(plain)))
            total += ((planes ^ flips[:, None]).sum(axis=0) + plain.sum(axis=0)) << c
        for c, plane in enumerate(dut.sums):
            stimulus.expect(cycle + shape.latency, f"sum {c}", plane, number(total >> c & 1))
    stimulus.run()
