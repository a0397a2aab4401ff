"""Both arrays against numpy: passes back to back, indices at full rate, loads as early as legal."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.array import make_array
from hw.array.interface import sum_offset
from hw.params import ArrayParameters
from model import bits
from sim.synthetic import random_codebook

TIMEOUT = 20_000


def number(flags: np.ndarray, width: int = 1) -> int:
    """The integer that holds the numbers of an array, ``width`` bits each, the first lowest."""
    taken = (np.asarray(flags, np.int64).reshape(-1, 1) >> np.arange(width)) & 1
    return int.from_bytes(np.packbits(taken, bitorder="little").tobytes(), "little")


class Stimulus:
    """Values of a component's inputs by cycle, and what its outputs must be in some cycles."""

    def __init__(self, dut):
        self.dut = dut
        self.inputs: dict[int, list] = {}
        self.expected: dict[int, list] = {}
        self.watched: list[tuple] = []

    def set(self, cycle: int, *pairs) -> None:
        self.inputs.setdefault(cycle, []).extend(pairs)

    def expect(self, cycle: int, name: str, signal, value: int) -> None:
        self.expected.setdefault(cycle, []).append((name, signal, value))

    def watch(self, signal, cycles, collect) -> None:
        """Calls ``collect(cycle, value)`` in each of some cycles."""
        self.watched.append((signal, cycles, collect))

    def run(self) -> None:
        cycles = (self.expected, *(cycles for _, cycles, _ in self.watched))
        end = max(map(max, filter(None, cycles))) + 1
        assert end < TIMEOUT

        async def bench(ctx):
            previous = ()
            for cycle in range(end):
                for signal, _ in previous:
                    ctx.set(signal, 0)
                previous = self.inputs.get(cycle, ())
                for signal, value in previous:
                    ctx.set(signal, value)
                for name, signal, value in self.expected.get(cycle, ()):
                    assert ctx.get(signal) == value, f"{name} in cycle {cycle}"
                for signal, cycles, collect in self.watched:
                    if cycle in cycles:
                        collect(cycle, ctx.get(signal))
                await ctx.tick()

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()


class Layer:
    """Random work for an array: a codebook, windows of some passes, indices, missing channels."""

    def __init__(self, rng, p: ArrayParameters, passes: int, c_out: int):
        self.codebook = random_codebook(rng, p.tau, p.antipodal)
        self.windows = rng.integers(0, 2, (passes, p.channels, p.pixels, bits.TAPS))
        # Extremes: a lane that agrees with everything or nothing in all channels.
        self.windows[0, :, 0] = 1
        self.indices = rng.integers(0, 1 << p.tau, (passes, c_out, p.channels))
        self.indices[0, 0] = rng.integers(0, 1 << p.tau)
        self.null = np.zeros((passes, p.channels), bool)
        for absent in self.null[1:]:
            absent[rng.integers(0, p.channels) :] = True
        self.indices[np.broadcast_to(self.null[:, None], self.indices.shape)] = 0

    def sums(self, p: ArrayParameters) -> np.ndarray:
        """Sums [passes, c_out, P] by the definition, counted tap by tap."""
        taps = (self.codebook[self.indices][..., None].astype(np.int64) >> np.arange(bits.TAPS)) & 1
        agree = (self.windows[:, None] == taps[:, :, :, None]).sum(axis=-1)
        agree = np.where(self.null[:, None, :, None], 0, agree).sum(axis=2)
        negated = (self.indices >> (p.tau - 1) == 1) & ~self.null[:, None]
        return agree + sum_offset(p, negated)[..., None]


def schedule(stimulus: Stimulus, p: ArrayParameters, layers: list[Layer], rng) -> None:
    """Puts the layers into the array as early as its contract allows."""
    dut, timing = stimulus.dut, stimulus.dut.timing(p)
    step = max(p.entries, p.fill) if p.fill else p.channels
    width = p.fill or p.channels
    cycle = 0
    for layer in layers:
        if p.has_codebook:
            for entry in range(p.entries):
                write = dut.codebook_write
                word = int(layer.codebook[entry])
                pairs = (write.enable, 1), (write.address, entry), (write.data, word)
                stimulus.set(cycle, *pairs)
                cycle += 1
        sums = layer.sums(p)
        load_from, busy_until = cycle, 0
        for k, windows in enumerate(layer.windows):
            for j in range(p.channels):
                last_load = load_from + j // width * step + j % width
                absent = bool(layer.null[k, j])
                # What an absent channel's window holds must not matter.
                stimulus.set(
                    last_load,
                    (dut.load.valid, 1),
                    (dut.load.channel, j),
                    (dut.load.windows, number(windows[j])),
                    (dut.load.null, absent),
                )
            swap = max(busy_until, last_load + timing.prepare_latency)
            stimulus.set(swap, (dut.swap, 1))
            for o, indices in enumerate(layer.indices[k]):
                cycle = swap + o
                null = number(layer.null[k])
                stimulus.set(cycle, (dut.index, number(indices, p.tau)), (dut.null, null))
                out = dut.sums.as_value()
                width_of_sum = len(out) // p.pixels
                expected = number(sums[k, o], width_of_sum)
                name = f"sums of pass {k}, output channel {o}"
                stimulus.expect(cycle + timing.latency, name, out, expected)
            busy_until = cycle + 1
            # The next windows come while these are being used: as early as may be.
            next_step = load_from + -(-p.channels // width) * step
            load_from = max(next_step, swap - timing.load_lead)
        cycle = busy_until


SHAPES = [
    ArrayParameters("direct", 1, 1, 5, True),
    ArrayParameters("direct", 5, 3, 3),
    ArrayParameters("direct", 4, 16, 5, True),
    ArrayParameters("direct", 3, 7, 6),
    ArrayParameters("direct", 6, 5, 4),
    ArrayParameters("direct", 4, 4, 9),
    ArrayParameters("direct", 1, 2, 9),
    ArrayParameters("shared", 1, 1, 3, True, 1),
    ArrayParameters("shared", 1, 4, 5, True, 2),
    ArrayParameters("shared", 5, 4, 5, True, 4),
    ArrayParameters("shared", 4, 16, 5, True, 4),
    ArrayParameters("shared", 3, 6, 4, True, 3),
    ArrayParameters("shared", 2, 3, 6, True, 1),
    ArrayParameters("shared", 3, 1, 5, False, 1),
    ArrayParameters("shared", 4, 6, 3, False, 2),
    ArrayParameters("shared", 2, 4, 4, False, 4),
    ArrayParameters("shared", 3, 8, 5, False, 4),
    ArrayParameters("shared", 2, 2, 6, False, 2),
    ArrayParameters("shared", 2, 12, 3, True, 12),
]


@pytest.mark.parametrize("c_out", [1, 40])
@pytest.mark.parametrize("p", SHAPES, ids=str)
def test_sums(p: ArrayParameters, c_out: int, seed: int = 3):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    stimulus = Stimulus(make_array(p))
    layers = [Layer(rng, p, passes=3, c_out=c_out) for _ in range(2)]
    schedule(stimulus, p, layers, rng)
    stimulus.run()


def test_window_parity_is_the_low_bit_of_all_even_codewords(seed: int = 4):
    """The facts on which the shared array rests, on 20,000 random windows."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    windows = rng.integers(0, bits.KERNELS, 20_000)
    numbers = np.arange(bits.KERNELS)
    even = rng.choice(numbers[bits.popcount(numbers) % 2 == 0], 20_000)
    agree = bits.TAPS - bits.popcount(windows ^ even)
    low, half = 1 ^ bits.popcount(windows) & 1, agree >> 1
    assert np.array_equal(agree, 2 * half + low)
    assert half.max() <= 4
    negated = bits.TAPS - bits.popcount(windows ^ even ^ (bits.KERNELS - 1))
    assert np.array_equal(negated + 6, 2 * (half ^ 7) + (low ^ 1))
