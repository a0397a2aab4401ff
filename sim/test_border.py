"""Sums plus border correction against a convolution with zero padding, in all border classes."""

import numpy as np
import pytest

from hw.array import BorderCorrection
from hw.array.border import correction_bits
from model import bits
from sim.test_array_passes import Stimulus, number

TAP_ROWS, TAP_COLS = np.divmod(np.arange(bits.TAPS), 3)


def classes(height: int, width: int, pixels: int) -> dict[str, np.ndarray]:
    """For each pixel of a map, row-major, in tiles of P lanes: its border classes."""
    rows, cols = np.divmod(np.arange(height * width), width)
    flags = {
        "row_first": rows == 0,
        "row_last": (rows == height - 1) & (height > 1),
        "col_first": cols == 0,
        "col_last": (cols == width - 1) & (width > 1),
    }
    return {name: _lanes(flag, pixels) for name, flag in flags.items()}


def _lanes(values: np.ndarray, pixels: int) -> np.ndarray:
    """Values of all pixels as [tiles, P], filled up with zeros."""
    tiles = -(-len(values) // pixels)
    return np.pad(values, (0, tiles * pixels - len(values))).reshape(tiles, pixels)


def masked_windows(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows [c_in, H * W, 9] of a 0/1 image [c_in, H, W], 0 outside; valid taps [H * W, 9]."""
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    inside = np.pad(np.ones((height, width), int), 1)
    y, x = np.divmod(np.arange(height * width), width)
    at = y[:, None] + TAP_ROWS, x[:, None] + TAP_COLS
    return padded[:, *at], inside[at]


def convolution(image: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """acc [c_out, H * W] of a 0/1 image and kernel numbers [c_out, c_in], zero padding."""
    windows, valid = masked_windows(image)
    signs = (2 * windows - 1) * valid
    return np.einsum("ipt,oit->op", signs, bits.kernel_signs(kernels).astype(int))


@pytest.mark.parametrize(
    ("height", "width", "c_in", "channels", "pixels"),
    [
        (3, 3, 5, 4, 9),
        (4, 5, 1, 1, 8),
        (3, 4, 7, 3, 5),
        (1, 1, 1, 4, 2),
        (1, 1, 9, 4, 1),
        (1, 6, 3, 2, 4),
        (5, 1, 6, 4, 8),
        (2, 2, 16, 16, 4),
        (2, 7, 21, 8, 14),
    ],
)
def test_equals_zero_padded_convolution(height, width, c_in, channels, pixels, seed: int = 5):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    c_out = 8
    image = rng.integers(0, 2, (c_in, height, width))
    kernels = rng.integers(0, bits.KERNELS, (c_out, c_in))
    kernels[0], kernels[1] = 0, bits.KERNELS - 1
    acc = convolution(image, kernels)
    windows, valid = masked_windows(image)
    taps = (kernels[..., None] >> np.arange(bits.TAPS)) & 1
    sums = (windows[None] == taps[:, :, None]).sum(axis=(1, 3))  # [c_out, H * W]
    # Thresholds close to the sums, so that every unit counts; both parities of q.
    thresholds = rng.choice(acc.reshape(-1), c_out) + rng.integers(-2, 3, c_out)
    q = (thresholds + bits.TAPS * c_in) & 1
    folded = (thresholds + bits.TAPS * c_in + q) // 2

    masked = bits.TAPS - valid.sum(axis=1)
    row_only = 6 if height == 1 else 3
    col_only = 6 if width == 1 else 3
    e_corner = c_in * int(masked.max())
    lanes = classes(height, width, pixels)
    tiles = len(lanes["row_first"])
    groups = -(-c_in // channels)
    dut = BorderCorrection(pixels, channels, (8 * c_in).bit_length())
    stimulus = Stimulus(dut)
    padded = np.full((c_out, groups * channels), bits.KERNELS - 1)
    padded[:, :c_in] = kernels
    total = np.zeros((tiles, c_out, pixels), int)
    out, cycle = dut.correction.as_value(), 0
    found: dict[int, tuple[int, int]] = {}
    for tile in range(tiles):
        for group in range(groups):
            part = padded[:, group * channels : (group + 1) * channels]
            for o in range(c_out):
                stimulus.set(
                    cycle,
                    (dut.kernels, number(part[o], bits.TAPS)),
                    (dut.last, group == groups - 1),
                    (dut.q, int(q[o])),
                    (dut.e_row, row_only * c_in),
                    (dut.e_col, col_only * c_in),
                    (dut.e_corner, e_corner),
                    (dut.single_row, height == 1),
                    (dut.single_column, width == 1),
                    *((getattr(dut, name), number(flag[tile])) for name, flag in lanes.items()),
                )
                found[cycle + dut.latency_of(dut.channels)] = tile, o
                cycle += 1

    def collect(at: int, value: int) -> None:
        tile, o = found[at]
        size = correction_bits(dut.channels, dut.e_bits)
        fields = (value >> size * np.arange(pixels, dtype=object)) & ((1 << size) - 1)
        total[tile, o] += [field - (field >> size - 1 << size) for field in fields]

    stimulus.watch(out, found, collect)
    stimulus.run()
    corrected = total.transpose(1, 0, 2).reshape(c_out, -1)[:, : height * width] + sums
    assert np.array_equal(corrected >= folded[:, None], acc >= thresholds[:, None])
    # Not the decisions only: 2 (sums - N) - (9 c_in - e) is the convolution itself.
    inner = corrected - (masked * c_in + q[:, None]) // 2
    assert np.array_equal(2 * inner - bits.TAPS * c_in + masked * c_in, acc)
    idle = np.delete(total.transpose(1, 0, 2).reshape(c_out, -1), np.s_[: height * width], axis=1)
    assert not idle.any()
