"""Residual networks: what training sees is what the export does."""

import copy
import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from residual_nets import DIGIT, Everything, noise, trained, wild  # noqa: E402
from torch import nn  # noqa: E402

from model import datasets, fixed_point, format, golden  # noqa: E402
from model.calibrate import calibrate, calibrated, streams_of  # noqa: E402
from model.errors import CheckError, UserError  # noqa: E402
from model.export import export, graph  # noqa: E402
from model.nets import NETS, NetConfig  # noqa: E402
from model.network import INPUT, Conv, Pointwise, Pooling  # noqa: E402
from model.network import Prelu as PreluLayer  # noqa: E402
from model.network import Stream as StreamLayer  # noqa: E402
from model.quantised import PointConv2d  # noqa: E402
from model.saturation import saturation  # noqa: E402
from model.stack import build  # noqa: E402
from model.streams import Stream  # noqa: E402
from model.verify import Difference, compare, first_difference  # noqa: E402

torch.set_num_threads(1)  # the tensors are small, and workers run side by side
TEST = datasets.load("digits")
OWN = (2, 9, 8)


@pytest.mark.parametrize("shifts", [False, True])
def test_float_and_integer_classes_agree(shifts, seed, tmp_path):
    net = trained(shifts, seed)
    network = export(net, DIGIT, "tiny")
    parts = [datasets.load("digits", split=split) for split in datasets.SPLITS]
    images, labels = (np.concatenate([getattr(p, n) for p in parts]) for n in ("images", "labels"))
    agreement = compare(net, network, images, labels)
    assert agreement.images == 1797 and agreement.disagreements == 0
    assert agreement.golden_accuracy > 0.7
    assert all(first_difference(net, network, image[None]) is None for image in TEST.images[:20])
    path = tmp_path / "tiny.safetensors"
    format.save(network, path)
    assert b'"format":"3"' in path.read_bytes()
    assert np.array_equal(
        golden.classify(format.load(path), TEST.images), golden.classify(network, TEST.images)
    )
    assert max(saturation(network, TEST.images[:100]).values()) < 1e-3


@pytest.mark.parametrize("shifts", [False, True])
def test_a_mean_in_the_shortcut(shifts, seed, tmp_path):
    """Half of the stream for the 1x1 convolution at stride 1, all of it for the 3x3 one."""
    net = trained(shifts, seed, shortcut="mean")
    network = export(net, DIGIT, "tiny")
    _, second, half, side, down, _ = network.convs
    assert isinstance(half, Pooling) and (half.pool, half.of, half.name) == (
        "avg2", 1, "layer2_1.mean"
    )  # fmt: skip
    assert half.bits == second.stream.bits and half.out_bits == 1
    assert side.stride == 1 and side.source is None and side.weight_bits == 8
    assert down.stride == 2 and down.source == 1 and down.stream.residual == 3
    agreement = compare(net, network, TEST.images, TEST.labels)
    assert agreement.disagreements == 0 and agreement.golden_accuracy > 0.7
    assert all(first_difference(net, network, image[None]) is None for image in TEST.images[:20])
    path = tmp_path / "tiny.safetensors"
    format.save(network, path)
    assert b'"format":"4"' in path.read_bytes()
    again = golden.trace(format.load(path), TEST.images[:50])
    assert np.array_equal(again.scores, golden.trace(network, TEST.images[:50]).scores)
    assert max(saturation(network, TEST.images[:100]).values()) < 1e-3


class Pooled(Everything):
    """Streams pooled between layers, once more, behind their planes, and for nobody."""

    def forward(self, images):
        x = self.stream1(self.norm1(self.conv1(self.input(images))))
        planes = self.levels(x)
        self.most(x)
        half = self.most(planes)
        y = self.stream2(self.norm2(self.conv2(half)), residual=self.most(x))
        z = self.norm3(self.conv3(self.shifted(self.mean(y))))
        z = self.shifted3(self.mean3(self.stream3(z)))
        w = self.sign(self.norm4(self.conv4(z)))
        return self.head(self.stream5(self.conv5(w)))

    def __init__(self):
        super().__init__()
        self.mean3, self.stream3 = nn.AvgPool2d(2), Stream()
        self.conv4 = PointConv2d(12, 20, flatten=True)


def test_pools_between_layers(seed):
    """What a stream's pool is joined to follows from who else reads it."""
    net = wild(Pooled(), seed, OWN)
    network = export(net, OWN, "pooled")
    kinds = [(layer.name, layer.kind, getattr(layer, "pool", None)) for layer in network.convs]
    assert kinds == [
        ("conv1", "conv3x3", "none"),
        ("most", "pool", "max2"),
        ("most", "pool", "max2"),
        ("conv2", "conv3x3", "avg2"),
        ("conv3", "conv1x1", "avg2"),
        ("conv4", "conv1x1", "none"),
        ("conv5", "conv1x1", "none"),
    ]
    first, planes, numbers = network.convs[:3]
    assert first.out_bits == 3 and (planes.of, planes.out_bits) == (0, 3)
    assert (numbers.of, numbers.out_bits) == (0, 0)
    assert network.convs[3].source == 1 and network.convs[3].stream.residual == 2
    images = noise(seed, 300, OWN)
    agreement = compare(net, network, images, np.zeros(300))
    assert agreement.disagreements <= 3 and len(np.unique(golden.classify(network, images))) > 1
    differences = [first_difference(net, network, image[None]) for image in images[:40]]
    assert all(d is None or d.layer == "conv4" for d in differences)


def test_layers_places_and_names(seed):
    network = export(trained(True, seed), DIGIT, "tiny")
    assert [layer.name for layer in network.layers] == [
        "layer1_1.conv", "layer1_2.conv", "layer2_1.shortcut", "layer2_1.conv", "layer2_2.conv",
        "head",
    ]  # fmt: skip
    first, second, side, down, last = network.convs
    assert [layer.stream.residual for layer in network.convs] == [INPUT, 0, None, 2, 3]
    assert isinstance(side, Pointwise) and side.weight_bits == 8 and side.stride == 2
    # Both read the planes of the layer before the shortcut.
    assert side.source is None and down.source == 1 and down.stride == 2
    assert side.out_bits == 0 and last.out_bits == 0 and network.head.on == "stream"
    assert all(layer.padding == "minus" for layer in network.convs if isinstance(layer, Conv))
    assert network.stem.stream.bits == first.stream.bits == second.stream.bits
    assert side.stream.bits == down.stream.bits == last.stream.bits
    assert [bool(layer.stream.prelu) for layer in network.convs] == [True, True, False, True, True]


@pytest.mark.parametrize("turn", range(4))
def test_every_layer_in_one_network(turn, seed):
    net = wild(Everything(), seed + 10 * turn, OWN)
    network = export(net, OWN, "everything")
    assert [layer.kind for layer in network.convs] == 2 * ["conv3x3"] + 3 * ["conv1x1"]
    assert [layer.pool for layer in network.convs] == ["none", "avg2", "max2", "none", "none"]
    assert [layer.in_bits for layer in network.convs] == [8, 3, 1, 1, 1]
    images = noise(seed, 300, OWN)
    agreement = compare(net, network, images, np.zeros(300))
    # Only where norms without a stream lie on a rounding edge can there be a difference.
    assert agreement.disagreements <= 3 and len(np.unique(golden.classify(network, images))) > 1
    differences = [first_difference(net, network, image[None]) for image in images[:40]]
    assert all(d is None or d.layer in ("conv3", "conv4") for d in differences)
    assert differences.count(None) > 30


def test_a_stack_behind_a_pixel_convolution(seed):
    config = NetConfig("vgg", OWN, 0, ((8, True), (12, True)), stem=8, flatten=True, scaled=True)
    torch.manual_seed(seed)
    net = wild(build(config, 5, "antipodal", seed), seed, OWN)
    network = export(net, OWN, "vgg")
    assert network.stem.weight.shape == (8, 2, 3, 3) and network.head.weight.shape == (10, 48)
    assert all(conv.stream is None for conv in network.convs)
    agreement = compare(net, network, noise(seed, 300, OWN), np.zeros(300))
    assert agreement.disagreements <= 3


def test_the_imagenet_stem(seed):
    config = dataclasses.replace(
        NETS["resnet18_imagenet"], image=(3, 37, 33), stages=((8, 1), (8, 1)), classes=5
    )
    torch.manual_seed(seed)
    net = wild(build(config, 5, "antipodal", seed), seed, config.image)
    network = export(net, config.image, "net")
    assert network.stem.pool == "max3" and network.stem.out_shape == (8, 10, 9)
    agreement = compare(net, network, noise(seed, 60, config.image), np.zeros(60))
    assert agreement.disagreements <= 3


@pytest.mark.parametrize("name", ["vgg_small", "resnet20", "resnet18", "resnet18_imagenet"])
def test_published_networks_have_their_shapes(name):
    config = NETS[name]
    traced = graph(build(config, 5, "antipodal", 0), config.image)
    shapes = [
        (unit.conv.module.c_in, *unit.conv.output.shape[1:])
        for unit in traced.units
        if unit.conv.module.__class__.__name__ == "SubBitConv2d"
    ]
    assert shapes == [dataclasses.astuple(shape) for shape in config.shapes]


@pytest.mark.parametrize("prelu", [False, True])
def test_a_stream_rounds_and_saturates_as_the_integer_model(prelu, seed):
    """On sums whose scale is a power of two both are exact."""
    rng = np.random.default_rng(seed)
    bits, fraction, channels = 10, 4, 6
    stream = Stream(channels, prelu)
    layer = StreamLayer(
        bits, 6, np.full(channels, 3, np.int16), np.full(channels, 32 + 5, np.int32), residual=0
    )
    if prelu:
        with torch.no_grad():
            for shift in (stream.prelu.before, stream.prelu.after):
                shift.copy_(torch.from_numpy(rng.uniform(-9, 9, channels)))
            stream.prelu.slope.copy_(torch.from_numpy(rng.uniform(-3, 3, channels)))
        size = 2.0**fraction
        before, slope, after = (
            np.rint(getattr(stream.prelu, name).detach().double().numpy() * scale).astype(int)
            for name, scale in (("before", size), ("slope", 64), ("after", size))
        )
        layer = dataclasses.replace(layer, prelu=PreluLayer(before, slope.clip(-128, 127), after))
    sums = rng.integers(-12000, 12000, (3, channels, 5, 4))
    residual = rng.integers(-512, 512, sums.shape)
    expected = fixed_point.streamed(layer, sums, residual)
    stream.set_grid(bits, fraction)
    floats = torch.from_numpy((3 * sums + 5) / 2.0 ** (6 + fraction)).float()
    with torch.no_grad():
        made = stream(floats, torch.from_numpy(residual / 2.0**fraction).float())
    assert np.array_equal(made.numpy() * 2.0**fraction, expected)
    assert expected.min() == -512 and expected.max() == 511


def test_gradients_pass_a_grid_and_end_at_its_edge():
    stream = Stream(1, prelu=True)
    stream.set_grid(4, 1)  # -4 to 3.5 in halves
    x = torch.tensor([-9.0, -1.1, 1.1, 9.0]).reshape(1, 1, 2, 2).requires_grad_()
    stream(x).sum().backward()
    assert x.grad.flatten().tolist() == [0, 0.25, 1, 0]
    for parameter in stream.parameters():
        assert parameter.grad.abs().sum() > 0


def test_grids_are_chosen_from_data(seed):
    net = trained(False, seed)
    images = torch.from_numpy(TEST.images[:100])
    before = {path: (s.bits, s.fraction) for path, s in streams_of(net).items()}
    try:
        early, late = calibrate(net, images)
        assert early.paths == ("stem.stream", "layer1_1.stream", "layer1_2.stream")
        assert late.paths == ("layer2_1.shortcut_stream", "layer2_1.stream", "layer2_2.stream")
        for grid in (early, late):
            assert grid.saturated == 0
            # No bit too many for the largest number met.
            assert grid.largest * 2**grid.fraction < 2 ** (grid.bits - 1) <= (
                2 * grid.largest * 2**grid.fraction + 2
            )
        finer = calibrate(net, images, steps=1024)
        assert [g.fraction - n.fraction for g, n in zip(finer, (early, late), strict=True)] == [
            2, 2,
        ]  # fmt: skip
        eight = calibrate(net, images, bits=8)
        assert all(grid.bits == 8 and grid.saturated == 0 for grid in eight)
        tight = calibrate(net, images, bits=8, leave=0.01)
        assert all(0 <= grid.saturated <= 0.02 for grid in tight)
        assert sum(g.fraction for g in tight) > sum(g.fraction for g in eight)
        shares = saturation(export(net, DIGIT, "tight"), TEST.images[:100])
        assert 0 < max(shares.values()) < 0.05
        wide = calibrate(net, images, room=4.0)
        assert [grid.bits for grid in wide] == [early.bits + 2, late.bits + 2]
    finally:
        for path, stream in streams_of(net).items():
            stream.set_grid(*before[path])
    with pytest.raises(UserError, match="streams of 17 bits: must be 2 to 16"):
        calibrate(net, images, bits=17)


def test_a_network_without_grids_needs_images(seed):
    torch.manual_seed(seed)
    net = build(NETS["digits_residual"], 5, "antipodal", seed)
    with pytest.raises(UserError, match=r"^stem\.stream: has no bits .* model\.calibrate"):
        export(net, DIGIT, "net")
    assert not calibrated(net)
    network = export(net, DIGIT, "net", calibration=TEST.images[:50])
    assert calibrated(net)
    compare(net, network, TEST.images[:50], TEST.labels[:50])
    again = build(NETS["digits_residual"], 5, "antipodal", seed)
    again.load_state_dict(net.state_dict())
    assert calibrated(again)  # the grid is in the checkpoint
    copied = copy.deepcopy(net)
    agreement = compare(copied, network, TEST.images[:50], TEST.labels[:50])
    assert agreement.disagreements == 0
    assert copied.stem.stream.fed.conv is copied.stem.conv is not net.stem.conv


def test_training_sees_the_whole_factors_once_norms_are_fixed(seed):
    """Norms that take a batch's statistics have other factors than the export."""
    net = copy.deepcopy(trained(False, seed)).train()
    images = torch.from_numpy(TEST.images[:20])
    for module in net.modules():
        module.training = not isinstance(module, nn.BatchNorm2d)
    fixed = net(images)
    exact = golden.trace(export(net, DIGIT, "net"), TEST.images[:20]).scores
    factor = float(fixed.detach().abs().max()) / np.abs(exact).max()
    assert np.allclose(fixed.detach().numpy(), exact * factor, rtol=1e-4)
    fixed.sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    net.train()
    assert not torch.equal(net(images), fixed)


def altered(network, place, **changes):
    layers = list(network.layers)
    layers[place] = dataclasses.replace(layers[place], **changes)
    return dataclasses.replace(network, layers=tuple(layers))


def test_the_first_tensor_that_differs_is_named(seed):
    net = trained(True, seed)
    network = export(net, DIGIT, "tiny")
    conv = network.convs[1]
    images = TEST.images[:30]

    def named(wrong, layer, tensor):
        found = {}
        for image in images:
            difference = first_difference(net, wrong, image[None])
            if difference and not difference.rounding:
                found[difference.layer, difference.tensor] = difference
        assert (layer, tensor) in found, found
        return found[layer, tensor]

    offsets = conv.stream.offsets + (9 << conv.stream.shift)
    wrong = altered(network, 1, stream=dataclasses.replace(conv.stream, offsets=offsets))
    assert all(first_difference(net, wrong, image[None]) for image in images)
    stem = network.stem
    offsets = stem.stream.offsets + (9 << stem.stream.shift)
    wrong = dataclasses.replace(
        network,
        stem=dataclasses.replace(stem, stream=dataclasses.replace(stem.stream, offsets=offsets)),
    )
    difference = named(wrong, "stem.conv", "stream")
    assert 8 <= difference.largest <= 10 and difference.count > 0.9 * difference.size
    head = dataclasses.replace(network.head, weight=network.head.weight[::-1].copy())
    with pytest.raises(CheckError, match=r"test image \d+: the export is not the trained network"):
        compare(
            net,
            dataclasses.replace(wrong, layers=(*network.convs, head)),
            TEST.images,
            TEST.labels,
        )
    assert "by up to 9" in str(Difference("conv", "stream", 1, 2, 9.0, False))
