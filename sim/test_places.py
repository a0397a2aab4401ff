"""Places by liveness: what lives at the same time lies apart, and chains lie as well as can be."""

from itertools import pairwise

import numpy as np
import pytest

from hw.compiler import compile_network
from hw.maps.liveness import Span, depth, least_depth, place
from hw.maps.places import bank_words, place_maps
from sim.random_graph import GraphBuilder
from sim.synthetic import random_network


def assert_apart(spans, bases):
    """A plain walk through time and words."""
    for time in range(max(span.last for span in spans) + 1):
        owners = {}
        for number, (span, base) in enumerate(zip(spans, bases, strict=True)):
            if span.first <= time <= span.last:
                assert base >= 0
                for word in range(base, base + span.words):
                    assert owners.setdefault(word, number) == number, f"word {word} at {time}"


def test_chains_are_as_before(seed):
    """Even up, odd down: as deep as the largest pair of neighbours, which nothing undercuts."""
    rng = np.random.default_rng(seed)
    for _ in range(100):
        words = rng.integers(1, 20, rng.integers(1, 9)).tolist()
        spans = [Span(n, time, time + 1) for time, n in enumerate(words)]
        bases = place(spans)
        assert_apart(spans, bases)
        top = max(a + b for a, b in pairwise([*words, 0]))
        assert bases == [top - n if time % 2 else 0 for time, n in enumerate(words)]
        assert depth(spans, bases) == least_depth(spans) <= top


def test_random_spans_never_overlap(seed):
    rng = np.random.default_rng(seed)
    best = 0
    for _ in range(200):
        firsts = np.sort(rng.integers(0, 12, rng.integers(1, 10))).tolist()
        spans = [Span(int(rng.integers(1, 9)), t, t + int(rng.integers(1, 5))) for t in firsts]
        bases = place(spans)
        assert_apart(spans, bases)
        assert least_depth(spans) <= depth(spans, bases) <= sum(span.words for span in spans)
        best += depth(spans, bases) == least_depth(spans)
    assert best > 150  # no promise, but what it reaches


def test_nothing_and_one():
    assert place([]) == [] and depth([], []) == 0 and least_depth([]) == 0
    assert place([Span(5, 3, 9)]) == [0]


def test_a_shortcut_keeps_its_map(seed):
    """A map that is read again later is not overwritten in between."""
    graph = GraphBuilder(seed, image=(1, 6, 6))
    first = graph.conv(8)
    graph.conv(4)
    graph.conv(4)
    graph.conv(4, source=first)
    network = graph.head(3)
    places = place_maps(network, 12)
    small, large = bank_words(4, 6, 6, 12), bank_words(8, 6, 6, 12)
    assert set(places.planes) == {0, 1}  # nobody reads the third, and the last goes to the head
    spans = [Span(large, 0, 3), Span(small, 1, 2)]
    assert_apart(spans, [places.planes[n] for n in (0, 1)])
    assert places.plane_words == large + small
    program = compile_network(network, array="direct", pixels=12, channels=4)
    assert program.sizes.activation_words == places.plane_words
    assert [plan.stored for plan in program.plans] == [True, True, False, False]


def test_streams_take_their_residuals_places(seed):
    graph = GraphBuilder(seed, image=(1, 6, 6))
    first = graph.conv(8, stream=9)
    second = graph.conv(8, stream=9, residual=first)
    graph.conv(8, stream=9, residual=second)
    third = graph.conv(8, stream=9, residual=second)
    graph.conv(8, stream=9, residual=third)
    network = graph.head(3)
    places = place_maps(network, 12)
    assert places.streams == {first: 0, second: 0, third: 0}
    assert places.stream_words == 8 * 3


@pytest.mark.parametrize("pixels", [8, 32])
def test_plain_networks_take_no_more_than_before(seed, pixels):
    network = random_network(seed, image=(3, 8, 8), channels=(5, 9, 6, 7), pools=("none",) * 4)
    words = [bank_words(*conv.out_shape, pixels) for conv in network.convs[:-1]]
    assert place_maps(network, pixels).plane_words == max(a + b for a, b in pairwise(words))
