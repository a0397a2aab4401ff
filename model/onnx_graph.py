"""An exported network as an ONNX graph of standard operators. Needs the package onnx.

Everything between the image and the class is whole numbers, held in floats where they are exact:
float32 for values, sums and streams (below 2^24), float64 where sums are scaled (below 2^53, and
a power of two below one changes no bit). So any runtime must get the numbers of `model.golden`.
"""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from model import bits
from model.errors import UserError
from model.fixed_point import SLOPE_SHIFT
from model.golden import EXACT_FLOAT32
from model.network import INPUT, PIXEL_BITS, Conv, Head, Network, Pointwise, Pooling, Stem, Stream

__all__ = ["onnx_model"]

OPSET = 17
IR_VERSION = 8
PIXEL_MAX = (1 << PIXEL_BITS) - 1


def onnx_model(network: Network):
    """The network as an onnx.ModelProto.

    Input ``image`` uint8 [N, colours, H, W]; outputs ``scores`` int64 [N, classes] and ``class``
    int64 [N], the highest score, the first among equals. Raises UserError naming a layer whose sums
    may be too large for float32.
    """
    return _Graph(network).finish()


class _Graph:
    """Collects nodes and constants; methods return the names of tensors."""

    def __init__(self, network: Network):
        self.network = network
        self.nodes, self.constants = [], []
        self.values: dict[int, str] = {}
        self.streams: dict[int, str] = {}

    def _add(self, operator: str, *inputs: str, **attributes) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def _constant(self, values, kind: type) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    def _single(self, operator: str, given: str, *constants) -> str:
        return self._add(operator, given, *(self._constant(c, np.float32) for c in constants))

    def _double(self, operator: str, given: str, *constants) -> str:
        return self._add(operator, given, *(self._constant(c, np.float64) for c in constants))

    def _cast(self, given: str, kind: int) -> str:
        return self._add("Cast", given, to=kind)

    def finish(self):
        network = self.network
        self._image()
        for place, layer in enumerate(network.convs):
            if isinstance(layer, Pooling):
                self._outputs(place, layer, self.streams[layer.of])
            else:
                self._layer(place, layer, self.values[network.source(place)])
        scores = self._head(network.head, len(network.convs) - 1)
        self.nodes.append(
            helper.make_node("Cast", [scores], ["scores"], to=TensorProto.INT64)
        )
        self.nodes.append(
            helper.make_node(
                "ArgMax", [scores], ["class"], axis=1, keepdims=0, select_last_index=0
            )
        )
        image = ["N", *network.image]
        graph = helper.make_graph(
            self.nodes,
            network.name,
            [helper.make_tensor_value_info("image", TensorProto.UINT8, image)],
            [
                helper.make_tensor_value_info(
                    "scores", TensorProto.INT64, ["N", network.head.classes]
                ),
                helper.make_tensor_value_info("class", TensorProto.INT64, ["N"]),
            ],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        checker.check_model(model, full_check=True)
        return model

    def _image(self) -> None:
        """The values that layers reading `INPUT` see."""
        pixels = self._cast("image", TensorProto.FLOAT)
        if self.network.encoding != "thermometer":
            pixels = self._single("Sub", self._single("Mul", pixels, 2), PIXEL_MAX)
            self.values[INPUT] = pixels
            if self.network.stem is not None:
                self._layer(INPUT, self.network.stem, pixels)
            return
        levels = self.network.input_thresholds[None, :, :, None, None]
        apart = self._add("Unsqueeze", pixels, self._constant([2], np.int64))
        lit = self._single("GreaterOrEqual", apart, levels)
        planes, height, width = self.network.planes_shape
        shape = self._constant([0, planes, height, width], np.int64)
        self.values[INPUT] = self._add("Reshape", self._signs(lit), shape)

    def _signs(self, lit: str) -> str:
        ends = (self._constant(value, np.float32) for value in (1, -1))
        return self._add("Where", lit, *ends)

    def _layer(self, place: int, layer: Conv | Pointwise | Stem, given: str) -> None:
        values = self._sums(layer, given)
        if layer.stream is not None:
            values = self._stream(layer.stream, values)
        self._outputs(place, layer, values)

    def _outputs(
        self, place: int, layer: Conv | Pointwise | Pooling | Stem, values: str
    ) -> None:
        values = self._pool(layer.pool, values)
        if layer.stream is not None:
            self.streams[place] = values
        if layer.out_bits:
            self.values[place] = self._numbers(layer, values)

    def _sums(self, layer: Conv | Pointwise | Stem, given: str) -> str:
        largest = PIXEL_MAX if isinstance(layer, Stem) else (1 << layer.in_bits) - 1
        if isinstance(layer, Conv):
            weight = bits.kernel_signs(layer.kernels).reshape(layer.c_out, layer.c_in, 3, 3)
        elif isinstance(layer, Stem):
            weight = layer.weight
        else:
            weight = layer.weights[:, :, None, None]
        most = int(np.abs(weight.astype(np.int64)).sum(axis=(1, 2, 3)).max()) * largest
        if most >= EXACT_FLOAT32:
            raise UserError(
                f"layer {layer.name}: its sums may reach {most}, past the {EXACT_FLOAT32} up to "
                "which float32, and so ONNX's convolution, is exact"
            )
        edge = weight.shape[2] // 2
        if isinstance(layer, Pointwise) and layer.flatten:
            shape = self._constant([0, weight.shape[1], 1, 1], np.int64)
            given = self._add("Reshape", given, shape)
        outside = 0 if isinstance(layer, Stem) else {"zero": 0, "plus": 1, "minus": -1}[
            layer.padding
        ]
        if outside:
            around = self._constant([0, 0, edge, edge] * 2, np.int64)
            given = self._add("Pad", given, around, self._constant(outside * largest, np.float32))
        return self._add(
            "Conv", given, self._constant(weight, np.float32),
            pads=[0 if outside else edge] * 4, strides=[layer.stride] * 2,
        )  # fmt: skip

    def _stream(self, stream: Stream, sums: str) -> str:
        """`model.fixed_point.streamed`."""
        wide = self._cast(sums, TensorProto.DOUBLE)
        wide = self._double("Mul", wide, _channels(stream.multipliers))
        wide = self._double("Add", wide, _channels(stream.offsets))
        values = self._add("Floor", self._double("Mul", wide, 2.0**-stream.shift))
        if stream.residual is not None:
            added = self._cast(self.streams[stream.residual], TensorProto.DOUBLE)
            values = self._add("Add", values, added)
        low, high = -(1 << (stream.bits - 1)), (1 << (stream.bits - 1)) - 1
        values = self._cast(self._double("Clip", values, low, high), TensorProto.FLOAT)
        if stream.prelu is None:
            return values
        moved = self._single("Add", values, _channels(stream.prelu.before))
        slope = _channels(stream.prelu.slopes) * 2.0**-SLOPE_SHIFT
        bent = self._add("Floor", self._single("Mul", moved, slope))
        below = self._single("Less", moved, 0)
        values = self._single(
            "Add", self._add("Where", below, bent, moved), _channels(stream.prelu.after)
        )
        return self._single("Clip", values, low, high)

    def _pool(self, pool: str, values: str) -> str:
        if pool == "max2":
            return self._add("MaxPool", values, kernel_shape=[2, 2], strides=[2, 2])
        if pool == "max3":
            return self._add(
                "MaxPool", values, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
            )
        if pool == "avg2":
            mean = self._add("AveragePool", values, kernel_shape=[2, 2], strides=[2, 2])
            return self._add("Floor", self._single("Add", mean, 0.5))
        return values

    def _numbers(self, layer: Conv | Pointwise | Pooling | Stem, values: str) -> str:
        """The odd numbers that the planes of `model.fixed_point.planes_of` hold."""
        turned = _channels(1 - 2 * layer.flips.astype(np.int8))
        if layer.out_bits == 1 and layer.step == 0:
            lit = self._single("GreaterOrEqual", values, _channels(layer.thresholds))
            return self._single("Mul", self._signs(lit), turned)
        top = (1 << layer.out_bits) - 1
        level = self._single("Sub", values, _channels(layer.thresholds))
        level = self._add("Floor", self._single("Mul", level, 2.0**-layer.step))
        level = self._single("Add", level, 1 << (layer.out_bits - 1))
        level = self._single("Clip", level, 0, top)
        number = self._single("Sub", self._single("Mul", level, 2), top)
        return self._single("Mul", number, turned)

    def _head(self, head: Head, last: int) -> str:
        values = (self.streams if head.on == "stream" else self.values)[last]
        wide = self._cast(values, TensorProto.DOUBLE)
        if head.flatten:
            features = self._add("Flatten", wide, axis=1)
        else:
            axes = self._constant([2, 3], np.int64)
            features = self._add("ReduceSum", wide, axes, keepdims=0)
        return self._double("Add", self._double("MatMul", features, head.weight.T), head.bias)


def _channels(values: Sequence | np.ndarray) -> np.ndarray:
    return np.asarray(values)[:, None, None]
