"""What a torch network computes and what its export computes agree; what can't be is named."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from model import datasets, format, golden  # noqa: E402
from model.codebooks import KINDS  # noqa: E402
from model.errors import CheckError, UserError  # noqa: E402
from model.export import export, fold, graph  # noqa: E402
from model.layers import Head, Sign, SubBitConv2d, Thermometer, even_levels  # noqa: E402
from model.nets import NetConfig  # noqa: E402
from model.stack import build  # noqa: E402
from model.verify import compare  # noqa: E402

torch.set_num_threads(1)  # the tensors are small, and workers run side by side


def unsettle(net: nn.Module, seed: int, image=(2, 7, 6)) -> None:
    """Batch norms as after a wild training: statistics that fit, slopes of both signs and none."""
    net.train()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # a plain average
    with torch.no_grad():
        for turn in range(5):
            net(torch.from_numpy(noise(seed + turn, 40, image)))
        generator = torch.Generator().manual_seed(seed)
        for norm in norms:
            norm.weight.copy_(2 * torch.rand(norm.weight.shape, generator=generator) - 1)
            norm.bias.copy_(torch.rand(norm.bias.shape, generator=generator) - 0.5)
            norm.weight[0] = 0
            norm.weight[1] = 1e-30
        # Every class gets its share of the images.
        scores = net.eval()(torch.from_numpy(noise(seed, 100, image)))
        net.head.bias -= scores.mean(0)
    net.train()


def small_net(seed: int, tau: int = 5, kind: str = "antipodal", **changes) -> nn.Sequential:
    config = NetConfig("test", (2, 7, 6), 3, ((9, True), (12, False), (7, False)), 5, True)
    torch.manual_seed(seed)
    net = build(dataclasses.replace(config, **changes), tau, kind, seed)
    unsettle(net, seed)
    return net


def noise(seed: int, count: int, image=(2, 7, 6)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *image)).astype(np.uint8)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("tau", "kind"), [(t, k) for t in (3, 5, 6) for k in KINDS] + [(9, "")])
def test_same_classes_as_the_float_network(tau, kind, scaled, seed):
    net = small_net(seed, tau, kind or "antipodal", scaled=scaled)
    network = export(net, (2, 7, 6), "test")
    images = noise(seed, 300)
    agreement = compare(net, network, images, np.zeros(300, np.int64))
    assert agreement.images == 300 and agreement.disagreements <= 3
    assert len(np.unique(golden.classify(network, images))) > 1
    assert [conv.name for conv in network.convs] == ["conv1", "conv2", "conv3"]
    assert all(conv.antipodal == kind.startswith("antipodal") for conv in network.convs)


def test_every_score_is_the_float_score_up_to_one_factor(seed):
    net = small_net(seed).eval()
    network = export(net, (2, 7, 6), "test")
    images = noise(seed, 50)
    with torch.no_grad():
        scores = net(torch.from_numpy(images)).numpy()
    exact = golden.trace(network, images).scores
    ratio = scores[exact != 0] / exact[exact != 0]
    assert np.allclose(ratio, ratio[0], rtol=1e-5) and ratio[0] > 0


def test_fold_agrees_with_batch_norm_on_every_sum(seed):
    rng = np.random.default_rng(seed)
    channels, c_in = 400, 4
    norm = nn.BatchNorm2d(channels).double().eval()
    with torch.no_grad():
        norm.weight.copy_(torch.from_numpy(rng.choice([-1.5, -0.01, 0, 0.3, 2], channels)))
        norm.bias.copy_(torch.from_numpy(rng.choice([-9, -0.5, 0, 0.5, 9], channels)))
        # Whole means and variances put many thresholds exactly on a sum.
        norm.running_mean.copy_(torch.from_numpy(rng.integers(-50, 50, channels).astype(float)))
        norm.running_var.copy_(torch.from_numpy(rng.choice([0.0, 1, 4, 100], channels)))
    scales = rng.choice([0.0, 0.05, 1.0], channels)
    thresholds, flips = fold(norm, scales, c_in)
    assert thresholds.min() >= -36 and thresholds.max() <= 37
    sums = np.arange(-36, 37)
    x = torch.from_numpy(sums[:, None] * scales)[:, :, None, None]
    with torch.no_grad():
        z = norm(x)[:, :, 0, 0].numpy()
    found = (sums[:, None] >= thresholds) ^ flips
    clear = np.abs(z) > 1e-9
    assert clear.mean() > 0.9
    assert np.array_equal(found[clear], (z >= 0)[clear])


def test_fold_on_the_threshold_itself_counts_as_plus_one():
    norm = nn.BatchNorm2d(3, eps=0.0)
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor([4.0, 4.0, 0.0]))
        norm.weight.copy_(torch.tensor([1.0, -1.0, 0.0]))
    thresholds, flips = fold(norm, np.ones(3), 2)
    # Rising: +1 from 4 on. Falling: +1 up to 4, that is, not from 5 on. Flat at 0: always +1.
    assert thresholds.tolist() == [4, 5, 19] and flips.tolist() == [False, True, True]


def test_exporting_leaves_the_network_as_it_was(seed):
    net = small_net(seed, kind="antipodal-refined").train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    export(net, (2, 7, 6), "test")
    assert net.training and all(m.training for m in net.modules())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


class Own(nn.Module):
    """A user's own module: nested, differently ordered, but a chain when it runs."""

    def __init__(self):
        super().__init__()
        self.head = Head(8, 3)
        self.body = nn.ModuleDict({"b": self.block(8, 8), "a": self.block(4, 8)})
        self.input = Thermometer(even_levels(4))

    @staticmethod
    def block(c_in, c_out):
        conv = SubBitConv2d(c_in, c_out, 4)
        return nn.Sequential(conv, nn.BatchNorm2d(c_out), nn.Identity(), Sign(), nn.Dropout(0.1))

    def forward(self, x):
        return self.head(self.body["b"](self.body["a"](self.input(x))))


def test_an_ordinary_module_is_walked_in_the_order_in_which_it_runs(seed):
    torch.manual_seed(seed)
    net = Own()
    unsettle(net, seed, (1, 5, 5))
    network = export(net, (1, 5, 5), "own")
    assert [layer.name for layer in network.layers] == ["body.a.0", "body.b.0", "head"]
    compare(net, network, noise(seed, 60, (1, 5, 5)), np.zeros(60))


class Residual(Own):
    def forward(self, x):
        x = self.body["a"](self.input(x))
        return self.head(x + self.body["b"](x))


class Doubled(Own):
    def forward(self, x):
        return 2 * super().forward(x)


class Functional(Own):
    def forward(self, x):
        x = self.body["a"](self.input(x))
        return self.head(self.body["b"](torch.relu(x)))


def stack(*layers):
    return nn.Sequential(Thermometer(even_levels(4)), *layers, Head(8, 3))


def conv(c_in=4):
    return SubBitConv2d(c_in, 8, 4)


def rest():
    return nn.BatchNorm2d(8), Sign()


@pytest.mark.parametrize(
    ("net", "named"),
    [
        (Residual, r"^head: its input"),
        (Functional, r"^body\.b\.0: its input"),
        (Doubled, r"^head: its output"),
        (lambda: stack(nn.Conv2d(4, 8, 3, padding=1), *rest()), r"^1: a Conv2d cannot"),
        (lambda: stack(conv(), nn.BatchNorm2d(8), nn.ReLU()), r"^3: a ReLU cannot"),
        (lambda: stack(conv(), nn.AvgPool2d(2), *rest()), r"^2: .* behind a Stream"),
        (lambda: stack(conv(), nn.MaxPool2d(3), *rest()), r"^2: only MaxPool2d\(2\)"),
        (lambda: stack(conv(), nn.MaxPool2d(2, 1), *rest()), r"^2: only MaxPool2d\(2\)"),
        (lambda: stack(conv(), nn.MaxPool2d(2, ceil_mode=True), *rest()), r"^2: only"),
        (lambda: stack(conv(), Sign()), r"^2: a Sign cannot read .* of 1: put a BatchNorm2d"),
        (lambda: stack(conv(), nn.BatchNorm2d(8)), r"^3: a Head cannot read normed sums of 2"),
        (lambda: stack(conv(), *rest(), nn.MaxPool2d(2)), r"^4: pool a convolution's sums, before"),
        (
            lambda: stack(conv(), nn.BatchNorm2d(8, track_running_stats=False), Sign()),
            r"^2: a BatchNorm2d without running",
        ),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), r"cannot be exported"),
        (lambda: nn.Sequential(Thermometer(even_levels(4)), Head(4, 3)), r"^1: .* convolution"),
    ],
)
def test_what_cannot_be_exported_is_named_by_module_path(net, named, tmp_path):
    with pytest.raises(UserError, match=named) as caught:
        torch.manual_seed(0)
        network = net().float()
        if isinstance(network[0] if isinstance(network, nn.Sequential) else None, nn.Flatten):
            network = nn.Sequential(Float(), *network)
        path = tmp_path / "n.safetensors"
        try:
            format.save(export(network, (1, 6, 6), "net"), path)
        except UserError as error:
            raise UserError(str(error).removeprefix(f"{path}: ")) from error
    assert "\n" not in str(caught.value)


class Float(nn.Module):
    def forward(self, x):
        return x.float()


def test_a_diverged_network_is_refused(seed):
    net = small_net(seed)
    net.norm2.running_var[3] = float("nan")
    with pytest.raises(UserError, match=r"norm2\.running_var"):
        export(net, (2, 7, 6), "test")


def test_comparison_catches_a_wrong_export_and_names_the_layer(seed):
    net = small_net(seed)
    network = export(net, (2, 7, 6), "test")
    network.convs[1].indices[:] ^= 1
    with pytest.raises(CheckError, match="layer conv2"):
        compare(net, network, noise(seed, 300), np.zeros(300))
    network = export(net, (2, 7, 6), "test")
    network.head.weight[:] = network.head.weight[::-1].copy()
    with pytest.raises(CheckError, match="head"):
        compare(net, network, noise(seed, 300), np.zeros(300))


def test_a_float_on_the_rounding_edge_is_counted_not_refused():
    """A batch norm whose float32 result falls on the other side of the exact threshold."""
    net = small_net(0, scaled=False)
    images = noise(1, 400)
    trace = golden.trace(export(net, (2, 7, 6), "test"), images)
    channel, head = 3, net.head
    sums = golden.accumulate(export(net, (2, 7, 6), "test").convs[2], trace.activations[1])
    common = int(np.median(sums[:, channel]))
    with torch.no_grad():
        net.norm3.weight[channel] = net.norm3.running_var[channel] = 1.0
        net.norm3.running_mean[channel] = common
        net.norm3.bias[channel] = 0.0
        # The class hangs on this channel alone: 0 where at least five of its nine are +1.
        head.weight.zero_()
        head.bias.fill_(-1)
        head.weight[0, channel], head.bias[:2] = 1.0, 0.0
    network = export(net, (2, 7, 6), "test")
    # As if the exact threshold lay a hair above the sum for which the float is exactly 0.
    assert network.convs[2].thresholds[channel] == common
    network.convs[2].thresholds[channel] += 1
    agreement = compare(net, network, images, np.zeros(400))
    assert agreement.disagreements > 0
    # A whole step further (sums of one place have one parity) it is no rounding any more.
    network.convs[2].thresholds[channel] += 2
    with pytest.raises(CheckError, match="layer conv3"):
        compare(net, network, images, np.zeros(400))


def test_a_chain_is_read_in_order_with_its_shapes(seed):
    traced = graph(small_net(seed), (2, 7, 6))
    assert traced.entry.path == "input" and traced.head.path == "head" and traced.on == "planes"
    assert [(unit.path, unit.conv.fed) for unit in traced.units] == [
        ("conv1", (1, 6, 7, 6)),
        ("conv2", (1, 9, 3, 3)),
        ("conv3", (1, 12, 3, 3)),
    ]


def test_the_shipped_digits_reach_the_target():
    from model import shipped

    data = datasets.load("digits")
    classes = golden.classify(shipped.load_model("digits"), data.images)
    assert (classes == data.labels).mean() >= 0.97
