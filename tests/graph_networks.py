"""Small networks of format versions 3 and 4 that between them use everything there is in them."""

from model.network import INPUT, Network
from sim.random_graph import GraphBuilder

__all__ = ["NETWORKS"]


def residual(seed: int) -> Network:
    graph = GraphBuilder(seed, (3, 9, 7), encoding="binary")
    first = graph.conv(12, stream=12)
    graph.conv(12, tau=4, stream=12, residual=first, prelu=True, padding="plus")
    second = graph.conv(12, stream=12, residual=1, padding="minus")
    side = graph.pointwise(20, weight_bits=8, stride=2, source=second, stream=12, out_bits=0)
    graph.conv(20, source=second, stride=2, stream=12, residual=side, out_bits=3)
    graph.conv(7, tau=9, stream=10, out_bits=2, pool="avg2")
    graph.conv(5, stream=9, pool="max2", prelu=True)
    return graph.head(on="stream")


def with_stem(seed: int) -> Network:
    graph = GraphBuilder(
        seed, (3, 22, 30), stem={"kernel": 7, "c_out": 6, "stride": 2, "pool": "max3"}
    )
    graph.conv(6, stream=12, residual=INPUT)
    graph.conv(6, stream=16, residual=0)
    return graph.head(on="stream", flatten=True)


def dense(seed: int) -> Network:
    graph = GraphBuilder(seed, (1, 6, 5))
    graph.conv(6, pool="max2")
    graph.pointwise(17, flatten=True)
    graph.pointwise(9, weight_bits=3, stream=8, out_bits=4)
    graph.pointwise(11, weight_bits=2)
    return graph.head(flatten=True)


def stem_without_pool(seed: int) -> Network:
    graph = GraphBuilder(seed, (1, 5, 5), stem={"out_bits": 2, "stream": 8, "prelu": True})
    graph.conv(4)
    return graph.head()


def pooled(seed: int) -> Network:
    """Version 4: streams that are pooled for one reader and not for another."""
    graph = GraphBuilder(seed, (2, 9, 8), stem={"c_out": 6, "stream": 11})
    first = graph.conv(6, stream=12)
    half = graph.pool(first, "avg2", out_bits=3)
    side = graph.pointwise(9, source=half, stream=12, out_bits=0)
    graph.conv(9, source=first, pool="max2", stream=12)
    graph.conv(9, stream=12, residual=side)
    graph.pool(INPUT, "max2", out_bits=0)
    graph.conv(5, source=first, pool="avg2", stream=9, prelu=True)
    graph.pool(6, "max2")
    return graph.head(on="stream")


NETWORKS = (residual, with_stem, dense, stem_without_pool, pooled)
