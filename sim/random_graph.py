"""Random networks with shortcuts, streams and numbers of several bits, built layer by layer.

`sim.synthetic` draws plain stacks; this one is told what each layer is and draws its numbers, so
that a test says what it is about::

    graph = GraphBuilder(seed, image=(3, 8, 8), encoding="binary")
    first = graph.conv(16, stream=12)
    graph.conv(16, stream=12, residual=first, prelu=True)
    network = graph.head(classes=10, on="stream")
"""

import numpy as np

from model import bits
from model.network import INPUT, Conv, Head, Network, Pointwise, Pooling, Prelu, Stem, Stream
from model.rules import check_network
from sim.synthetic import random_codebook

__all__ = ["GraphBuilder"]

SHIFT = 10


class GraphBuilder:
    """See the module. Each method that adds a layer returns its place.

    ``stem`` is a dict of `Stem`'s kernel, c_out, stride and pool, and stream bits and out_bits.
    """

    def __init__(
        self,
        seed: int,
        image: tuple[int, int, int] = (1, 8, 8),
        *,
        encoding: str = "thermometer",
        levels: int = 3,
        stem: dict | None = None,
    ):
        self.rng = np.random.default_rng(seed)
        colours = image[0]
        count = (colours, levels if encoding == "thermometer" else 0)
        self.base = {
            "name": f"graph{seed}",
            "image": image,
            "input_thresholds": np.sort(self.rng.integers(1, 256, count), axis=1).astype(np.uint8),
            "provenance": {"seed": seed},
            "encoding": "stem" if stem else encoding,
        }
        if stem:
            self.base["stem"] = self._stem(image, **stem)
        self.layers: list = []

    @property
    def network_so_far(self) -> Network:
        return Network(layers=(*self.layers, None), **self.base)

    def _input(self, source: int | None) -> tuple[int, int, int, int]:
        """(bits, channels, height, width) of the planes at a place, or of the newest ones."""
        network = self.network_so_far
        place = len(self.layers) - 1 if source is None else source
        producer = network.producer(place)
        width = network.input_bits if place == INPUT else producer.out_bits
        planes, *map_size = producer.planes_shape
        return width, planes // width, *map_size

    def conv(
        self,
        c_out: int,
        *,
        tau: int = 5,
        antipodal: bool = True,
        padding: str = "zero",
        source: int | None = None,
        stride: int = 1,
        pool: str = "none",
        **outputs,
    ) -> int:
        """A 3x3 convolution; ``outputs`` as in `_outputs`."""
        in_bits, c_in, height, width = self._input(source)
        spread = ((1 << in_bits) - 1) * np.sqrt(bits.TAPS * c_in)
        layer = Conv(
            name=f"conv{len(self.layers)}",
            height=height,
            width=width,
            tau=tau,
            pool=pool,
            codebook=random_codebook(self.rng, tau, antipodal),
            indices=self.rng.integers(0, 1 << tau, (c_out, c_in)).astype(np.uint16),
            padding=padding,
            stride=stride,
            source=source,
            in_bits=in_bits,
            **self._outputs(c_out, spread, **outputs),
        )
        self.layers.append(layer)
        return len(self.layers) - 1

    def pointwise(
        self,
        c_out: int,
        *,
        weight_bits: int = 1,
        flatten: bool = False,
        source: int | None = None,
        stride: int = 1,
        pool: str = "none",
        **outputs,
    ) -> int:
        """A 1x1 convolution or dense layer; ``outputs`` as in `_outputs`."""
        in_bits, c_in, height, width = self._input(source)
        features = c_in * height * width if flatten else c_in
        largest = ((1 << in_bits) - 1) * ((1 << weight_bits) - 1) * features
        spread = ((1 << in_bits) - 1) * (1 << (weight_bits - 1)) * np.sqrt(features)
        spread = min(spread, largest / 2)  # thresholds lie within two of them
        layer = Pointwise(
            name=f"pointwise{len(self.layers)}",
            height=height,
            width=width,
            codes=self.rng.integers(0, 1 << weight_bits, (c_out, features)).astype(np.uint16),
            weight_bits=weight_bits,
            pool=pool,
            stride=stride,
            flatten=flatten,
            source=source,
            in_bits=in_bits,
            **self._outputs(c_out, spread, **outputs),
        )
        self.layers.append(layer)
        return len(self.layers) - 1

    def pool(
        self, of: int, kind: str = "avg2", *, out_bits: int = 1, step: int | None = None
    ) -> int:
        """A pooling of the stream of the layer at place ``of``."""
        producer = self.network_so_far.producer(of)
        c_out, height, width = producer.out_shape
        bits = producer.stream.bits
        made = self._outputs(c_out, 1.0, stream=bits, out_bits=out_bits, step=step)
        del made["stream"]
        self.layers.append(
            Pooling(f"pool{len(self.layers)}", height, width, c_out, kind, of, bits, **made)
        )
        return len(self.layers) - 1

    def head(self, classes: int = 10, *, on: str = "planes", flatten: bool = False) -> Network:
        """Ends the network with its head and checks it."""
        channels, height, width = self.layers[-1].out_shape
        features = channels * height * width if flatten else channels
        weight = self.rng.integers(-128, 128, (classes, features)).astype(np.int8)
        bias = self.rng.integers(-1000, 1000, classes).astype(np.int32)
        self.layers.append(Head("head", channels, height, width, weight, bias, on, flatten))
        network = Network(layers=tuple(self.layers), **self.base)
        check_network(network, network.name)
        return network

    def _outputs(
        self,
        c_out: int,
        spread: float,
        *,
        stream: int = 0,
        residual: int | None = None,
        prelu: bool = False,
        out_bits: int = 1,
        step: int | None = None,
    ) -> dict:
        """Thresholds where values fall and, with ``stream`` bits, a stream that now and then
        saturates. ``spread`` is the sums' standard deviation."""
        rng = self.rng
        step = 0 if step is None else step
        if stream:
            scale = float(1 << (stream - 2))
            step = max(stream - 2 - out_bits, 0) if out_bits > 1 and not step else step
        else:
            scale = spread
        cuts = np.rint(rng.normal(0, scale / 2, c_out))
        limit = scale if stream else 2 * spread
        return {
            "thresholds": (np.clip(cuts, -limit, limit) * (out_bits > 0)).astype(np.int32),
            "flips": (rng.random(c_out) < 0.3) & (out_bits > 0),
            "out_bits": out_bits,
            "step": step,
            "stream": self._stream(c_out, spread, stream, residual, prelu) if stream else None,
        }

    def _stream(
        self, c_out: int, spread: float, width: int, residual: int | None, prelu: bool
    ) -> Stream:
        rng, scale = self.rng, float(1 << (width - 2))
        gain = rng.uniform(0.3, 1.2, c_out) * rng.choice([-1, 1], c_out) * scale / spread
        limit = np.iinfo(np.int16).max
        shift = SHIFT
        while shift and np.abs(gain).max() * (1 << shift) > limit:
            shift -= 1
        bent = None
        if prelu:
            bent = Prelu(
                np.rint(rng.normal(0, scale / 8, c_out)).astype(np.int16),
                rng.integers(-128, 128, c_out).astype(np.int8),
                np.rint(rng.normal(0, scale / 8, c_out)).astype(np.int16),
            )
        return Stream(
            bits=width,
            shift=shift,
            multipliers=np.rint(gain * (1 << shift)).astype(np.int16),
            offsets=np.rint(rng.normal(0, scale / 4, c_out) * (1 << shift)).astype(np.int32),
            residual=residual,
            prelu=bent,
        )

    def _stem(
        self,
        image: tuple[int, int, int],
        *,
        kernel: int = 3,
        c_out: int = 8,
        stride: int = 1,
        pool: str = "none",
        **outputs,
    ) -> Stem:
        weight = self.rng.integers(-128, 128, (c_out, image[0], kernel, kernel)).astype(np.int8)
        spread = 74 * 147 * kernel * np.sqrt(image[0])
        made = self._outputs(c_out, spread, **{"stream": 12} | outputs)
        return Stem(image[1], image[2], weight, stride, pool, **made)
