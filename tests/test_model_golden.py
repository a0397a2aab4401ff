"""The golden integer model against slow references: plain loops, and torch."""

import time

import numpy as np
import pytest

from model import bits, golden
from model.format import Network
from sim.synthetic import random_images, random_network


def slow_scores(network: Network, image: np.ndarray) -> tuple[list, list]:
    """Activations of every layer and scores of one image, by loops over plain integers."""
    colours, height, width = network.image
    levels = network.input_thresholds.shape[1]
    x = [
        [
            [
                1 if int(image[p // levels][row][col])
                >= int(network.input_thresholds[p // levels][p % levels])
                else -1
                for col in range(width)
            ]
            for row in range(height)
        ]
        for p in range(colours * levels)
    ]  # fmt: skip
    maps = []
    for conv in network.convs:
        y = []
        for o in range(conv.c_out):
            _, rows, columns = conv.sums_shape
            sums = [[0] * columns for _ in range(rows)]
            for i in range(conv.c_in):
                number = int(conv.codebook[conv.indices[o, i]])
                for row in range(rows):
                    for col in range(columns):
                        for tap in range(9):
                            r = conv.stride * row + tap // 3 - 1
                            c = conv.stride * col + tap % 3 - 1
                            if 0 <= r < conv.height and 0 <= c < conv.width:
                                sums[row][col] += (1 if number >> tap & 1 else -1) * x[i][r][c]
            if conv.pool == "max2":
                sums = [
                    [
                        max(sums[2 * r + a][2 * c + b] for a in (0, 1) for b in (0, 1))
                        for c in range(columns // 2)
                    ]
                    for r in range(rows // 2)
                ]
            cut, flip = int(conv.thresholds[o]), bool(conv.flips[o])
            y.append([[1 if (s >= cut) != flip else -1 for s in line] for line in sums])
        x = y
        maps.append(x)
    head = network.head
    totals = [sum(map(sum, plane)) for plane in x]
    scores = [
        sum(int(w) * t for w, t in zip(head.weight[c], totals, strict=True)) + int(head.bias[c])
        for c in range(head.classes)
    ]
    return maps, scores


CASES = {
    "one pixel": {"image": (1, 1, 1), "pools": ("none", "none")},
    "one row": {"image": (1, 1, 7), "pools": ("none", "none")},
    "one column": {"image": (2, 6, 1), "pools": ("none", "none")},
    "single channels": {"levels": 1, "channels": (1, 1)},
    "odd sides, pooled": {"image": (1, 5, 7), "pools": ("max2", "none")},
    "pooled to one pixel": {"image": (1, 3, 3), "pools": ("none", "max2")},
    "three colours": {"image": (3, 4, 4), "levels": 2, "classes": 3},
    "one class": {"classes": 1},
    "tau 3": {"tau": 3},
    "tau 4": {"tau": 4},
    "tau 5, not antipodal": {"tau": 5, "antipodal": False},
    "tau 6": {"tau": 6},
    "binary": {"tau": 9},
    "mixed": {"tau": [9, 4]},
    "thresholds at the ends": {"extreme": 0.7},
    "stride 2, even sides": {"strides": (2, 1), "pools": ("none", "none")},
    "stride 2, odd sides, pooled": {"image": (1, 7, 5), "strides": (2, 2)},
    "stride 2, one pixel": {"image": (1, 1, 1), "strides": (2, 2), "pools": ("none", "none")},
    "stride 2 behind pooling": {"strides": (1, 2), "pools": ("max2", "none")},
}


@pytest.mark.parametrize("case", CASES)
def test_against_plain_loops(case, seed):
    options = {"image": (1, 4, 6), "channels": (5, 7)} | CASES[case]
    network = random_network(seed, **options)
    # random_images begins with an all-black and an all-white image.
    images = random_images(seed, network, 4)
    trace = golden.trace(network, images)
    for place, image in enumerate(images):
        maps, scores = slow_scores(network, image)
        for found, expected in zip(trace.activations, maps, strict=True):
            assert np.array_equal(2 * found[place].astype(int) - 1, expected)
        assert trace.scores[place].tolist() == scores
        assert trace.classes[place] == scores.index(max(scores))
    assert np.array_equal(golden.classify(network, images), trace.classes)


def test_against_torch(seed):
    torch = pytest.importorskip("torch")
    network = random_network(
        seed, image=(2, 13, 10), channels=(33, 20, 9), pools=("none", "max2", "none"),
        strides=(2, 1, 2), tau=[5, 9, 4],
    )  # fmt: skip
    images = random_images(seed, network, 9)
    trace = golden.trace(network, images)
    x = torch.from_numpy(trace.planes).double() * 2 - 1
    for conv, found in zip(network.convs, trace.activations, strict=True):
        kernels = bits.kernel_signs(conv.kernels).reshape(conv.c_out, conv.c_in, 3, 3)
        weights = torch.from_numpy(kernels).double()
        sums = torch.nn.functional.conv2d(x, weights, stride=conv.stride, padding=1)
        if conv.pool == "max2":
            sums = torch.nn.functional.max_pool2d(sums, 2)
        y = (sums.numpy() >= conv.thresholds[:, None, None]) ^ conv.flips[:, None, None]
        assert np.array_equal(found, y)
        x = torch.from_numpy(y).double() * 2 - 1


def test_equal_scores_take_the_lowest_class(seed):
    network = random_network(seed)
    network.head.weight[:] = 0
    network.head.bias[:] = [3, 7, 7, 1, 7, 0, 0, 0, 0, 7]
    assert golden.classify(network, random_images(seed, network, 3)).tolist() == [1, 1, 1]


def test_no_images(seed):
    network = random_network(seed)
    assert golden.classify(network, random_images(seed, network, 0)).shape == (0,)


@pytest.mark.slow
def test_ten_thousand_mnist_images_in_under_two_minutes(seed):
    network = random_network(
        seed,
        image=(1, 28, 28),
        levels=8,
        channels=(32, 64, 64),
        pools=("max2", "max2", "none"),
    )
    images = random_images(seed, network, 10_000)
    begun = time.monotonic()
    classes = golden.classify(network, images)
    seconds = time.monotonic() - begun
    print(f"10,000 images in {seconds:.1f} s")
    assert len(classes) == 10_000 and seconds < 120
