"""The layers: conventions, gradients, and what a trained network must keep to."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from model import bits, codebooks  # noqa: E402
from model.errors import UserError  # noqa: E402
from model.layers import (  # noqa: E402
    Head,
    Sign,
    SubBitConv2d,
    Thermometer,
    even_levels,
    sign,
)
from model.learnt import Codebook  # noqa: E402
from model.nets import NETS, net_config  # noqa: E402
from model.stack import build  # noqa: E402

torch.set_num_threads(1)  # the tensors are small, and workers run side by side


def test_sign_of_zero_is_plus_one_and_gradient_is_bi_reals():
    x = torch.tensor([-2.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 3.0], requires_grad=True)
    y = sign(x)
    assert y.tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 2, 2, 1.5, 0, 0]
    conv = SubBitConv2d(1, 1)
    conv.weight.data.zero_()
    assert (conv.kernels() == 1).all()


def test_one_bit_order(seed):
    """The kernel of a number, as conv2d applies it: tap 3*ky+kx is bit 3*ky+kx."""
    rng = np.random.default_rng(seed)
    for number in [1, 1 << 8, 1 << 2, *rng.integers(0, 512, 20).tolist()]:
        conv = SubBitConv2d(1, 1)
        conv.weight.data = torch.from_numpy(bits.kernel_signs(number)).float().view(1, 1, 3, 3)
        for tap in range(9):
            image = torch.zeros(1, 1, 3, 3)
            image[0, 0, tap // 3, tap % 3] = 1
            # At the middle, the response to a single lit tap is that tap's weight.
            assert conv(image)[0, 0, 1, 1] == (1 if number >> tap & 1 else -1)
        assert bits.kernel_numbers(conv.kernels().detach().numpy())[0, 0] == number


@pytest.mark.parametrize("kind", codebooks.KINDS)
@pytest.mark.parametrize("tau", [3, 4, 5, 6])
def test_nearest_kernel_by_brute_force(kind, tau, seed):
    generator = torch.Generator().manual_seed(seed)
    book = Codebook(tau, kind, np.random.default_rng(seed)).eval()
    weights = torch.randn(200, 9, generator=generator)
    numbers = book.numbers()
    assert len(set(numbers.tolist())) == 1 << tau
    assert bits.is_antipodal(numbers) == kind.startswith("antipodal")
    entries = torch.from_numpy(bits.kernel_signs(numbers)).float()
    distance = ((weights[:, None] - entries[None]) ** 2).sum(2)
    chosen = book(weights)
    own = ((weights - chosen) ** 2).sum(1)
    assert torch.allclose(own, distance.min(1).values, atol=1e-4)
    # Scaling a weight changes nothing.
    assert torch.equal(book(weights * 7.5), chosen)


def test_ties_are_resolved_alike_every_time(seed):
    for kind in codebooks.KINDS:
        book = Codebook(4, kind, np.random.default_rng(seed)).eval()
        kernels = book(torch.zeros(50, 9))
        assert torch.equal(kernels, book.memory[:1].expand(50, 9))


def test_gradients_pass_straight_to_weights_and_codebook(seed):
    for kind in codebooks.KINDS:
        generator = torch.Generator().manual_seed(seed)
        book = Codebook(4, kind, np.random.default_rng(seed))
        weights = (torch.randn(60, 9, generator=generator) * 0.8).requires_grad_()
        upstream = torch.randn(60, 9, generator=generator)
        kernels = book(weights)
        kernels.backward(upstream)
        assert torch.equal(weights.grad, upstream * (weights.abs() <= 1))
        if book.real is None:
            continue
        expected = torch.zeros_like(book.memory)
        for kernel, gradient in zip(kernels, upstream, strict=True):
            for row, entry in enumerate(book.memory):
                if torch.equal(kernel, entry):
                    expected[row] += gradient
                elif book.antipodal and torch.equal(kernel, -entry):
                    expected[row] -= gradient
        assert torch.allclose(book.real.grad, expected, atol=1e-5)


def test_unknown_kind_and_bits():
    with pytest.raises(UserError, match="sampled, refined, antipodal"):
        Codebook(5, "random", np.random.default_rng(0))
    with pytest.raises(UserError, match=r"1, 0\.67, 0\.56, 0\.44, 0\.33"):
        codebooks.tau_of("0.5")
    assert [codebooks.tau_of(b) for b in codebooks.TAU_OF_BITS] == [9, 6, 5, 4, 3]


def test_thermometer():
    levels = even_levels(4, 2)
    assert levels.dtype == np.uint8 and levels.tolist() == [[32, 96, 160, 224]] * 2
    image = torch.tensor([0, 32, 100, 255], dtype=torch.uint8).view(1, 2, 1, 2)
    planes = Thermometer(levels)(image)
    assert planes.shape == (1, 8, 1, 2)
    assert planes[0, :, 0, 0].tolist() == [-1, -1, -1, -1, 1, 1, -1, -1]
    assert planes[0, :, 0, 1].tolist() == [1, -1, -1, -1, 1, 1, 1, 1]
    # Sixteen levels tell the digits' seventeen greys apart.
    greys = (255 * np.arange(17) + 8) // 16
    assert len({tuple(greys[n] >= even_levels(16)[0]) for n in range(17)}) == 17


def test_padding_contributes_nothing(seed):
    conv = SubBitConv2d(3, 4, 5)
    x = torch.where(torch.rand(2, 3, 1, 1) < 0.5, -1.0, 1.0)
    middle = conv.eval().kernels()[:, :, 1, 1]
    assert torch.equal(conv(x)[:, :, 0, 0], x[:, :, 0, 0] @ middle.T)


def test_sums_are_whole_and_scale_is_the_mean_weight():
    torch.manual_seed(3)
    conv = SubBitConv2d(5, 6, 4, scaled=True)
    x = sign(torch.randn(2, 5, 6, 6))
    scaled = conv.eval()(x)
    conv.scaled = False
    sums = conv(x)
    assert torch.equal(sums, sums.round())
    mean = conv.weight.detach().abs().mean((1, 2, 3))
    assert torch.equal(scaled, sums * mean[:, None, None])


def test_head_scores_are_integers_times_one_factor():
    torch.manual_seed(4)
    head = Head(16, 10)
    head.bias.data.uniform_(-1, 1)
    x = sign(torch.randn(5, 16, 3, 4))
    weight, bias, factor = head.quantised(12)
    assert torch.equal(weight, weight.round()) and weight.abs().max() == 127
    assert torch.equal(bias, bias.round())
    whole = x.sum((2, 3)).double() @ weight.double().T + bias.double()
    assert torch.allclose(head(x).double(), whole * factor.double(), rtol=1e-6)
    # Close to the unrounded dense layer, which is what it stands for.
    plain = nn.functional.linear(x.sum((2, 3)) / 12**0.5, head.weight, head.bias)
    assert torch.allclose(head(x), plain, atol=0.05)
    head(x).square().sum().backward()
    assert head.weight.grad.abs().sum() > 0 and head.bias.grad.abs().sum() > 0


def test_clip_bounds_the_latent_weights():
    conv = SubBitConv2d(2, 2)
    conv.weight.data.mul_(100)
    conv.clip()
    assert conv.weight.abs().max() == 1


@pytest.mark.parametrize("name", ["digits", "small", "cnv"])
def test_named_networks_run_and_suit_the_hardware(name):
    config = NETS[name]
    net = build(config, 5, "antipodal", seed=0).eval()
    with torch.no_grad():
        scores = net(torch.zeros(2, *config.image, dtype=torch.uint8))
    assert scores.shape == (2, config.classes)
    convs = [m for m in net.modules() if isinstance(m, SubBitConv2d)]
    # Groups of 8 channels and more lack one at most.
    assert all(-c.c_in % 8 <= 1 and c.c_out % 32 == 0 for c in convs)
    limits = {"digits": 250_000, "small": 1_200_000, "cnv": 6_600_000}
    assert config.kernel_applications <= limits[name]


def test_net_for_other_images():
    with pytest.raises(UserError, match=r"28x28.*choose --net small or medium$"):
        net_config("digits", (1, 28, 28))
    with pytest.raises(UserError, match=r"choose --net cnv or vgg_small or resnet20 or resnet18$"):
        net_config("small", (3, 32, 32))
    with pytest.raises(UserError, match="digits, small, medium, cnv"):
        net_config("resnet", (1, 28, 28))


def test_same_seed_same_network():
    torch.manual_seed(1)
    first = build(NETS["digits"], 5, "antipodal", seed=7)
    torch.manual_seed(1)
    second = build(NETS["digits"], 5, "antipodal", seed=7)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    # Every layer draws a codebook of its own.
    books = [m.numbers().tolist() for m in first.modules() if isinstance(m, Codebook)]
    assert books[0] != books[1]


def test_sign_module():
    assert Sign()(torch.tensor([0.0, -1e-30])).tolist() == [1, -1]
