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
    """A graph of 2 to 6 layers on an image of at most 9 x 8, and an engine that it fits."""
    rng = random.Random(seed)
    image = (rng.choice([1, 3]), rng.randint(1, 9), rng.randint(1, 8))
    graph = GraphBuilder(seed, image=image, levels=rng.randint(1, 4))
    antipodal = rng.random() < 0.8
    readable = [INPUT]  # places with planes of one bit
    count = rng.randint(2, 6)
    for number in range(count):
        source = rng.choice([readable[-1], rng.choice(readable)])
        height, width = image[1:] if source == INPUT else graph.layers[source].out_shape[1:]
        outputs = _outputs(rng, last=number == count - 1)
        stride = rng.choice([1, 1, 2])
        if not outputs and min(height, width) >= 2 * stride and rng.random() < 0.4:
            outputs["pool"] = "max2"
        channels = rng.randint(1, 9)
        if "stream" in outputs:
            size = (-(-height // stride), -(-width // stride))
            fitting = [
                n
                for n, layer in enumerate(graph.layers)
                if layer.stream and layer.out_shape[1:] == size
            ]
            if fitting and rng.random() < 0.8:
                outputs["residual"] = rng.choice(fitting)
                channels = graph.layers[outputs["residual"]].c_out
        place = graph.conv(
            channels,
            tau=rng.choice([3, 4, 5]),
            antipodal=antipodal,
            source=source,
            stride=stride,
            **outputs,
        )
        if outputs.get("out_bits", 1) == 1:
            readable.append(place)
    pixels = rng.randint(max(image[2], 2), 24)
    shape = {
        "array": rng.choice(["direct", "shared"]),
        "pixels": pixels,
        "channels": rng.choice([1, 2, 3, 4, 8]),
    }
    if rng.random() < 0.3:
        shape |= {"index_port": rng.choice([4, 16, 24]), "index_buffer": rng.choice([8, 64])}
    return GraphCase(graph.head(rng.randint(2, 5)), shape)


def _outputs(rng: random.Random, last: bool) -> dict:
    """What a layer puts out: often a stream; planes of one bit where it is the last layer."""
    if rng.random() < 0.3:
        return {}
    return {
        "stream": rng.randint(3, 16),
        "prelu": rng.random() < 0.4,
        "out_bits": 1 if last else rng.choice([1, 1, 1, 0, 2, 3]),
    }
