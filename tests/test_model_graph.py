"""Residual networks and numbers of several bits: the golden model against torch, and the file."""

import dataclasses

import numpy as np
import pytest
import torch
from graph_networks import NETWORKS, dense
from torch.nn import functional

from hw.compiler import compile_network
from model import bits, format, golden
from model.errors import UserError
from model.network import INPUT, Conv, Network, Pooling, Stem
from sim.synthetic import random_images


def held(values: torch.Tensor, width: int) -> torch.Tensor:
    return values.clamp(-(2 ** (width - 1)), 2 ** (width - 1) - 1)


def across(values) -> torch.Tensor:
    return torch.tensor(np.asarray(values).astype(np.float64))[:, None, None]


def by_torch(network: Network, images: np.ndarray) -> tuple[list, list, torch.Tensor]:
    """Planes' numbers and streams of every layer in float64, and scores: everything is exact."""
    pixels = torch.tensor(images.astype(np.float64))
    values, streams = {}, {}
    if network.encoding == "thermometer":
        levels = torch.tensor(network.input_thresholds.astype(np.float64))
        planes = pixels[:, :, None] >= levels[None, :, :, None, None]
        values[INPUT] = torch.where(planes, 1.0, -1.0).double().flatten(1, 2)
    else:
        values[INPUT] = 2 * pixels - 255

    def layer(place: int, one, x: torch.Tensor) -> None:
        if isinstance(one, Conv):
            weight = torch.tensor(bits.kernel_signs(one.kernels).astype(np.float64))
            around = {"zero": 0, "plus": 1, "minus": -1}[one.padding] * (2**one.in_bits - 1)
            x = functional.pad(x, (1, 1, 1, 1), value=float(around))
            y = functional.conv2d(x, weight.reshape(one.c_out, -1, 3, 3), stride=one.stride)
        elif isinstance(one, Pooling):
            y = streams[one.of]
        elif isinstance(one, Stem):
            weight = torch.tensor(one.weight.astype(np.float64))
            y = functional.conv2d(x, weight, stride=one.stride, padding=weight.shape[2] // 2)
        else:
            x = x.flatten(1)[:, :, None, None] if one.flatten else x
            weight = 2.0 * torch.tensor(one.codes.astype(np.float64)) - (2**one.weight_bits - 1)
            y = functional.conv2d(x, weight[:, :, None, None], stride=one.stride)
        if isinstance(one, Pooling):
            pass
        elif s := one.stream:
            y = torch.floor((y * across(s.multipliers) + across(s.offsets)) / 2**s.shift)
            y = held(y if s.residual is None else y + streams[s.residual], s.bits)
            if s.prelu:
                y = y + across(s.prelu.before)
                y = torch.where(y < 0, torch.floor(y * across(s.prelu.slopes) / 64), y)
                y = held(y + across(s.prelu.after), s.bits)
        if one.pool == "max2":
            y = functional.max_pool2d(y, 2)
        elif one.pool == "avg2":
            y = torch.floor(functional.avg_pool2d(y, 2) + 0.5)
        elif one.pool == "max3":
            y = functional.max_pool2d(y, 3, 2, 1)
        streams[place] = y if one.stream else None
        if one.out_bits:
            top = 2**one.out_bits - 1
            level = torch.floor((y - across(one.thresholds)) / 2**one.step)
            number = 2 * (level + 2 ** (one.out_bits - 1)).clamp(0, top) - top
            values[place] = torch.where(across(one.flips) > 0, -number, number)
        else:
            values[place] = None

    if network.stem:
        layer(INPUT, network.stem, values[INPUT])
    for place, one in enumerate(network.convs):
        layer(place, one, values.get(network.source(place)))
    last = len(network.convs) - 1
    summed = (streams if network.head.on == "stream" else values)[last]
    features = summed.flatten(1) if network.head.flatten else summed.sum((2, 3))
    scores = features @ torch.tensor(network.head.weight.astype(np.float64)).T
    return values, streams, scores + torch.tensor(network.head.bias.astype(np.float64))


def numbers(planes: np.ndarray, width: int) -> np.ndarray:
    """Odd numbers of planes, highest first, by the definition in `model.network`."""
    count, total, *rest = planes.shape
    apart = planes.reshape(count, width, total // width, *rest)
    return sum(np.where(apart[:, n], 1, -1) * 2 ** (width - 1 - n) for n in range(width))


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_golden_equals_torch(make, seed):
    network = make(seed)
    images = random_images(seed, network, 4)
    trace = golden.trace(network, images)
    values, streams, scores = by_torch(network, images)
    assert np.array_equal(numbers(trace.planes, network.input_bits), values[INPUT].numpy())
    if network.stem:
        assert np.array_equal(trace.stream, streams[INPUT].numpy())
    for place, layer in enumerate(network.convs):
        planes, stream = trace.activations[place], trace.streams[place]
        assert (planes is None) == (not layer.out_bits) and (stream is None) == (not layer.stream)
        if planes is not None:
            assert np.array_equal(numbers(planes, layer.out_bits), values[place].numpy()), place
        if stream is not None:
            assert np.array_equal(stream, streams[place].numpy()), place
            bound = 1 << (layer.stream.bits - 1)
            assert stream.min() >= -bound and stream.max() < bound
    assert np.array_equal(trace.scores, scores.numpy())


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_a_file_says_it_all(make, seed, tmp_path):
    network = make(seed)
    path = tmp_path / "n.safetensors"
    format.save(network, path)
    again = format.load(path)
    images = random_images(seed, network, 3)
    before, after = golden.trace(network, images), golden.trace(again, images)
    assert np.array_equal(before.scores, after.scores)
    for one, other in zip(network.layers, again.layers, strict=True):
        for entry in dataclasses.fields(one):
            given, found = getattr(one, entry.name), getattr(other, entry.name)
            if entry.name != "stream":
                assert np.array_equal(given, found), entry.name
    format.save(again, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_what_the_engine_lacks_is_named(seed):
    lacking = {dense: "pointwise3: activations and weights"}
    for make, what in lacking.items():
        with pytest.raises(UserError, match=f"^layer {what}.* the engine has none yet$"):
            compile_network(make(seed))
    for make in NETWORKS:
        if make not in lacking:
            assert compile_network(make(seed), array="direct").plans
