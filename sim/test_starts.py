"""Sums with their starts against a convolution with zero padding, at every place of a map."""

import numpy as np
import pytest

from hw.maps.geometry import Geometry
from hw.maps.layout import tiles
from hw.params import ArrayParameters
from hw.starts import PLACES, Starts, start_bits, start_values
from model import bits
from model.golden import accumulate
from model.network import Conv
from sim.clocked import simulate

DIRECT = ArrayParameters("direct", 4, 4, 9)
SIZES = [(3, 3), (4, 5), (1, 1), (1, 6), (5, 1), (2, 2), (2, 7), (1, 2)]


def random_conv(rng, height: int, width: int, c_in: int, c_out: int = 8) -> Conv:
    indices = rng.integers(0, bits.KERNELS, (c_out, c_in))
    indices[0], indices[1] = 0, bits.KERNELS - 1
    return Conv(
        "conv", height, width, bits.TAPS, "none", np.arange(bits.KERNELS), indices,
        rng.integers(-9 * c_in, 9 * c_in + 2, c_out), np.zeros(c_out, bool),
    )  # fmt: skip


def raw_sums(conv: Conv, image: np.ndarray) -> np.ndarray:
    """What an array makes of windows that hold 0 outside: agreements [c_out, H, W]."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    taps = conv.kernels[..., None] >> np.arange(bits.TAPS) & 1
    total = np.zeros((conv.c_out, conv.height, conv.width), np.int64)
    for tap in range(bits.TAPS):
        y, x = divmod(tap, 3)
        window = padded[:, y : y + conv.height, x : x + conv.width]
        total += (window[None] == taps[:, :, tap, None, None]).sum(axis=1)
    return total


def place_of(height: int, width: int) -> np.ndarray:
    """Each pixel's place, [H, W]."""
    y, x = (np.where(np.arange(size) == size - 1, 2, 1) for size in (height, width))
    y[0] = x[0] = 0
    return 3 * y[:, None] + x


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("c_in", [1, 5, 21])
def test_the_sign_is_the_comparison(height, width, c_in, seed):
    rng = np.random.default_rng(seed)
    conv = random_conv(rng, height, width, c_in)
    image = rng.integers(0, 2, (c_in, height, width))
    sums = accumulate(conv, image[None].astype(bool))[0]
    # Thresholds close to the sums, so that every unit counts; and the extreme ones.
    near = np.array([rng.choice(channel.reshape(-1)) for channel in sums])
    conv.thresholds[2:] = (near + rng.integers(-2, 3, conv.c_out))[2:]
    conv.thresholds[:2] = 9 * c_in + 1, -9 * c_in
    complete = raw_sums(conv, image) + start_values(conv, DIRECT)[:, place_of(height, width)]
    assert np.array_equal(complete >= 0, sums >= conv.thresholds[:, None, None])
    half = 1 << start_bits(c_in) - 1
    assert -half <= complete.min() and complete.max() < half


def test_sums_fit_at_their_extremes():
    """An image that agrees with everything or nothing, thresholds that all or no sums reach."""
    for height, width in SIZES:
        for c_in in (1, 7, 57):
            indices = np.array([[0] * c_in, [bits.KERNELS - 1] * c_in])
            conv = Conv(
                "conv", height, width, bits.TAPS, "none", np.arange(bits.KERNELS),
                np.repeat(indices, 2, axis=0), np.array([-9, 9, -9, 9]) * c_in + [0, 1, 0, 1],
                np.zeros(4, bool),
            )  # fmt: skip
            half = 1 << start_bits(c_in) - 1
            for value in (0, 1):
                image = np.full((c_in, height, width), value)
                starts = start_values(conv, DIRECT)[:, place_of(height, width)]
                complete = raw_sums(conv, image) + starts
                assert -half <= complete.min() and complete.max() < half
                assert np.array_equal(
                    complete >= 0, np.array([True, False, True, False])[:, None, None]
                    | np.zeros((4, height, width), bool)
                )  # fmt: skip


@pytest.mark.parametrize(
    ("pixels", "maps"),
    [
        (1, [(1, 1)]),
        (4, [(3, 4)]),
        (8, [(5, 2), (6, 4), (3, 8), (1, 4), (8, 2)]),
        (12, [(6, 5), (3, 2), (1, 1), (2, 1)]),
    ],
)
def test_every_lane_gets_the_start_of_its_place(pixels, maps, seed):
    rng = np.random.default_rng(seed)
    widths = sorted({width for _, width in maps})
    geometries = tuple(Geometry(width, pixels) for width in widths)
    last_rows = tuple(
        frozenset((height - 1) % g.rows for height, width in maps if width == g.width)
        for g in geometries
    )
    dut = Starts(geometries, last_rows, pixels=pixels, width=6)

    async def testbench(ctx):
        for height, width in maps:
            number = widths.index(width)
            rows = geometries[number].rows
            places = place_of(height, width)
            ctx.set(dut.geometry, number)
            ctx.set(dut.last_row, (height - 1) % rows)
            for tile in range(tiles(height, width, pixels)):
                values = rng.integers(0, 64, PLACES).tolist()
                for place, value in enumerate(values):
                    ctx.set(dut.word[place], value)
                ctx.set(dut.top, tile == 0)
                ctx.set(dut.bottom, tile == (height - 1) // rows)
                await ctx.tick().repeat(Starts.latency)
                wanted = places[tile * rows : (tile + 1) * rows].reshape(-1).tolist()
                for lane, place in enumerate(wanted):
                    assert ctx.get(dut.starts[lane]) == values[place]

    simulate(dut, testbench)
