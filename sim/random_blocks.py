"""Random graphs for the engine: layers that read, add and keep whatever fits, from a seed."""

import random
from dataclasses import dataclass

from model.network import INPUT, Network
from sim.random_graph import GraphBuilder

__all__ = ["GraphCase", "random_graph"]


@dataclass(frozen=True)
class GraphCase:
    """A network, and the engine's ``shape``: keywords of `hw.compiler.compile_network`."""

    network: Network
    shape: dict


def random_graph(seed: int) -> GraphCase:
    """A graph of 2 to 6 layers on an image of at most 9 x 9, and an engine that it fits."""
    rng = random.Random(seed)
    graph = _started(rng, seed)
    antipodal = rng.random() < 0.8
    count = rng.randint(2, 6)
    for number in range(count):
        _add_layer(rng, graph, antipodal, last=number == count - 1)
    last = graph.layers[-1]
    on = "stream" if last.stream and rng.random() < 0.5 else "planes"
    flatten = rng.random() < 0.2
    shape = {
        "array": rng.choice(["direct", "shared"]),
        "pixels": rng.randint(2, 24),
        "channels": rng.choice([1, 2, 3, 4, 8]),
    }
    if rng.random() < 0.3:
        shape |= {"index_port": rng.choice([4, 16, 24]), "index_buffer": rng.choice([8, 64])}
    return GraphCase(graph.head(rng.randint(2, 5), on=on, flatten=flatten), shape)


def _started(rng: random.Random, seed: int) -> GraphBuilder:
    """A graph without layers: its image, and how that becomes planes."""
    image = (rng.choice([1, 3]), rng.randint(1, 9), rng.randint(1, 9))
    encoding = rng.choice(["thermometer", "thermometer", "binary", "stem"])
    if encoding != "stem":
        return GraphBuilder(seed, image, encoding=encoding, levels=rng.randint(1, 4))
    return GraphBuilder(
        seed,
        image,
        stem={
            "kernel": rng.choice([1, 3, 7]),
            "c_out": rng.randint(1, 5),
            "stride": rng.choice([1, 2]),
            "pool": rng.choice(["none", "max3"]),
            "stream": rng.randint(4, 14),
            "out_bits": rng.choice([1, 1, 2]),
        },
    )


def _add_layer(rng: random.Random, graph: GraphBuilder, antipodal: bool, last: bool) -> None:
    """One more layer; what it reads and adds is mostly the newest that there is."""
    network = graph.network_so_far
    producers = {n: network.producer(n) for n in range(INPUT, len(graph.layers))}
    bits = {n: p.out_bits if n != INPUT else network.input_bits for n, p in producers.items()}
    pooled = [n for n, p in producers.items() if _can_be_pooled(p)]
    if pooled and rng.random() < 0.15:
        out_bits = 1 if last else rng.choice([1, 1, 2])
        graph.pool(rng.choice(pooled), rng.choice(["max2", "avg2"]), out_bits=out_bits)
        return
    readable = [n for n in producers if bits[n]]
    source = rng.choice([readable[-1], rng.choice(readable)])
    planes, height, width = producers[source].planes_shape
    stride = rng.choice([1, 1, 2])
    size = (-(-height // stride), -(-width // stride))
    outputs, channels = _outputs(rng, last), rng.randint(1, 9)
    if min(size) >= 2 and rng.random() < 0.4:
        outputs["pool"] = rng.choice(["max2", "avg2"]) if "stream" in outputs else "max2"
    if "stream" in outputs:
        fitting = [
            n
            for n, p in producers.items()
            if getattr(p, "stream", None) and p.out_shape[1:] == size
        ]
        if fitting and rng.random() < 0.8:
            outputs["residual"] = rng.choice(fitting)
            channels = producers[outputs["residual"]].out_shape[0]
    common = {"source": source, "stride": stride, **outputs}
    if rng.random() < 0.3:
        weight_bits = rng.choice([1, 1, 3, 8]) if bits[source] == 1 else 1
        graph.pointwise(channels, weight_bits=weight_bits, **common)
    else:
        padding = rng.choice(["zero", "zero", "plus", "minus"])
        tau = rng.choice([3, 4, 5])
        graph.conv(channels, tau=tau, antipodal=antipodal, padding=padding, **common)


def _can_be_pooled(producer) -> bool:
    return getattr(producer, "stream", None) is not None and min(producer.out_shape[1:]) >= 2


def _outputs(rng: random.Random, last: bool) -> dict:
    """What a layer puts out: often a stream; planes of one bit where it is the last layer."""
    if rng.random() < 0.3:
        return {}
    return {
        "stream": rng.randint(3, 16),
        "prelu": rng.random() < 0.4,
        "out_bits": 1 if last else rng.choice([1, 1, 1, 0, 2, 3]),
    }
