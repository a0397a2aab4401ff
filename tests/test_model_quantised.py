"""Convolutions and activations of several bits against plain arithmetic."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from model.layers import Head, SubBitConv2d  # noqa: E402
from model.quantised import Binary, PixelConv2d, PointConv2d, Quantise  # noqa: E402
from model.streams import ShiftedSign  # noqa: E402

torch.set_num_threads(1)  # the tensors are small, and workers run side by side


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_weights_are_the_nearest_odd_numbers(bits, seed):
    torch.manual_seed(seed)
    conv = PointConv2d(40, 30, weight_bits=bits)
    numbers, top = conv.numbers().detach(), (1 << bits) - 1
    assert numbers.shape == (30, 40) and (numbers % 2 == 1).all() and numbers.abs().max() == top
    odd = torch.arange(-top, top + 1, 2.0)
    distance = (conv.weight.detach() / conv.scales()[0])[..., None] - odd
    nearest = odd[distance.abs().argmin(-1)]
    assert torch.equal(numbers, nearest)
    if bits == 8:
        assert (numbers * conv.scales()[0] - conv.weight.detach()).abs().max() < 0.01


@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize("flatten", [False, True])
def test_a_point_convolution_is_a_product_of_its_numbers(bits, flatten, seed):
    torch.manual_seed(seed)
    conv = PointConv2d(24 if flatten else 6, 5, bits, stride=1 if flatten else 2, flatten=flatten)
    x = 2.0 * torch.randint(0, 4, (3, 6, 2, 2)) - 3
    sums = (conv(x) / conv.scales()[:, None, None]).detach().round()
    numbers = conv.numbers().detach()
    if flatten:
        assert torch.equal(sums[:, :, 0, 0], x.flatten(1) @ numbers.T)
    else:
        assert sums.shape == (3, 5, 1, 1)
        assert torch.equal(sums[:, :, 0, 0], x[:, :, 0, 0] @ numbers.T)


def test_latent_weights_get_gradients_within_reach(seed):
    torch.manual_seed(seed)
    conv = PointConv2d(4, 3)
    with torch.no_grad():
        conv.weight[0, 0] = 9.0
    conv(torch.ones(1, 4, 1, 1)).sum().backward()
    assert conv.weight.grad[0, 0] == 0 and (conv.weight.grad != 0).sum() > 6


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_a_pixel_convolution_is_exact_on_whole_numbers(kernel, seed):
    torch.manual_seed(seed)
    conv = PixelConv2d(3, 4, kernel, stride=2)
    images = torch.randint(0, 256, (2, 3, 9, 8), dtype=torch.uint8)
    numbers = conv.numbers().detach()
    assert numbers.abs().max() == 127 and torch.equal(numbers, numbers.round())
    exact = functional.conv2d(
        2.0 * images.double() - 255, numbers.double(), stride=2, padding=kernel // 2
    )
    made = conv(images).detach().double() / conv.scales().detach().double()[:, None, None]
    assert torch.equal(made.round(), exact)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_levels(bits):
    levels = Quantise(bits, log2_step=-1)
    top = (1 << bits) - 1
    x = torch.tensor([-1e9, -0.5, -1e-6, 0.0, 0.49, 0.5, 1e9])
    expected = [-top, -1, -1, 1, 1, min(3, top), top]
    assert levels(x).tolist() == expected
    assert Quantise(bits).log2_step == 2 - bits
    x = torch.tensor([-1e9, 0.1, 1e9]).requires_grad_()
    levels(x).sum().backward()
    assert x.grad[0] == x.grad[2] == 0 < x.grad[1]


def test_pixels_as_odd_numbers():
    images = torch.tensor([[[[0, 1, 127, 128, 255]]]], dtype=torch.uint8)
    assert Binary()(images).flatten().tolist() == [-255, -253, -1, 1, 255]


@pytest.mark.parametrize(("padding", "outside"), [("zero", 0), ("plus", 7), ("minus", -7)])
def test_padding_is_the_largest_or_smallest_number(padding, outside, seed):
    torch.manual_seed(seed)
    conv = SubBitConv2d(2, 3, 5, padding=padding, in_bits=3, stride=2)
    x = 2.0 * torch.randint(0, 8, (2, 2, 5, 4)) - 7
    around = torch.full((2, 2, 7, 6), float(outside))
    around[:, :, 1:-1, 1:-1] = x
    assert torch.equal(conv(x), functional.conv2d(around, conv.kernels(), stride=2))
    assert ("padding" in repr(conv)) == (padding != "zero")


def test_shifted_sign():
    layer = ShiftedSign(2)
    with torch.no_grad():
        layer.shift.copy_(torch.tensor([0.5, -0.5]))
    x = torch.tensor([0.5, 0.49]).reshape(1, 1, 1, 2).expand(1, 2, 1, 2)
    made = layer(x)
    assert made[0, 0, 0].tolist() == [1, -1] and made[0, 1, 0].tolist() == [1, 1]
    made.sum().backward()
    assert (layer.shift.grad < 0).all()


def test_a_flattened_head_reads_every_number(seed):
    torch.manual_seed(seed)
    head = Head(12, 4, flatten=True)
    x = torch.randn(3, 3, 2, 2)
    weight, bias, factor = head.quantised(1)
    expected = (x.flatten(1) @ weight.T + bias) * factor
    assert torch.allclose(head(x), expected, rtol=1e-5, atol=1e-6)
    assert np.isclose(float(weight.detach().abs().max()), 127)
