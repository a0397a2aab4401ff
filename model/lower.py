"""Units of a traced network to layers of whole numbers. Needs torch.

Where a stream's numbers y are floats times 2^fraction: batch norm and the layer's factors become
multipliers and offsets, a shift of a sign a threshold, and PReLU's shifts whole numbers of steps.
"""

import numpy as np
import torch
from torch import Tensor, nn

from model import bits
from model.errors import UserError
from model.fold import affine, cut, multipliers
from model.layers import Head, SubBitConv2d, Thermometer
from model.network import INPUT, Conv, Network, Pointwise, Pooling, Prelu, Stem
from model.network import Head as HeadLayer
from model.network import Stream as StreamLayer
from model.quantised import Quantise
from model.streams import ShiftedSign, Stream
from model.units import Graph, Unit, pool_kind
from model.watch import Call

__all__ = ["lower"]

INPUT_BITS = 8


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


@torch.no_grad()
def lower(
    graph: Graph, image: tuple[int, int, int], name: str, provenance: dict | None = None
) -> Network:
    """The network of whole numbers; UserError, naming the module, for what does not fit."""
    places = {unit: place for place, unit in enumerate(graph.units)}
    places[None] = INPUT
    encoding, thresholds = "stem", np.zeros((image[0], 0), np.uint8)
    stem, input_bits = None, 1
    if graph.stem is not None:
        places[graph.stem] = INPUT
        stem = _stem(graph.stem)
    elif isinstance(graph.entry.module, Thermometer):
        encoding, thresholds = "thermometer", _numpy(graph.entry.module.thresholds)
    else:
        encoding, input_bits = "binary", INPUT_BITS
    layers = [_layer(unit, places, input_bits) for unit in graph.units]
    fraction = graph.units[-1].stream.module.fraction if graph.on == "stream" else 0
    layers.append(_head(graph.head, graph.on, fraction))
    return Network(
        name, image, thresholds, tuple(layers), provenance or {}, encoding, stem
    )


def _layer(unit: Unit, places: dict, input_bits: int) -> Conv | Pointwise | Pooling:
    if unit.pooling:
        return _pooling(unit, places)
    module = unit.conv.module
    in_bits = input_bits if unit.source is None else _bits(unit.source)
    if getattr(module, "in_bits", in_bits) != in_bits:
        raise UserError(
            f"{unit.path}: is made for inputs of {module.in_bits} bits and is fed {in_bits}: "
            f"say in_bits={in_bits}"
        )
    source = places[unit.source]
    common = {
        "name": unit.path,
        "height": unit.conv.fed[2],
        "width": unit.conv.fed[3],
        "pool": "none" if unit.pool is None else pool_kind(unit.pool),
        "stride": module.stride,
        "source": None if source == places[unit] - 1 else source,
        "in_bits": in_bits,
    }
    if isinstance(module, SubBitConv2d):
        codebook, indices = _codebook_and_indices(module)
        largest = bits.TAPS * module.c_in * ((1 << in_bits) - 1)
        return Conv(
            tau=module.tau,
            codebook=codebook,
            indices=indices,
            padding=module.padding,
            **common,
            **_outputs(unit, places, largest),
        )
    numbers = _numpy(module.numbers()).astype(np.int64)
    largest = module.c_in * module.top * ((1 << in_bits) - 1)
    return Pointwise(
        codes=((numbers + module.top) // 2).astype(np.uint16),
        weight_bits=module.weight_bits,
        flatten=module.flatten,
        **common,
        **_outputs(unit, places, largest),
    )


def _pooling(unit: Unit, places: dict) -> Pooling:
    channels, height, width = unit.conv.fed[1:]
    return Pooling(
        name=unit.path,
        height=height,
        width=width,
        c_out=channels,
        pool=pool_kind(unit.pool),
        of=places[unit.residual],
        bits=_gridded(unit).bits,
        **_cuts(unit, channels),
    )


def _codebook_and_indices(conv: SubBitConv2d) -> tuple[np.ndarray, np.ndarray]:
    """Kernel numbers uint16 [2^tau], and for each kernel its place there, uint16 [c_out, c_in]."""
    training = conv.training
    conv.eval()
    numbers = bits.kernel_numbers(_numpy(conv.kernels()))
    conv.train(training)
    if conv.codebook is None:
        codebook = np.arange(bits.KERNELS, dtype=np.uint16)
    else:
        codebook = conv.codebook.numbers()
    place = np.zeros(bits.KERNELS, np.uint16)
    place[codebook] = np.arange(len(codebook))
    return codebook, place[numbers]


def _stem(unit: Unit) -> Stem:
    module = unit.conv.module
    return Stem(
        height=unit.conv.fed[2],
        width=unit.conv.fed[3],
        weight=_numpy(module.numbers()).astype(np.int8),
        stride=module.stride,
        pool="none" if unit.pool is None else pool_kind(unit.pool),
        **_outputs(unit, {}, 0),
    )


def _bits(unit: Unit) -> int:
    """Bits of the numbers that a unit puts out as planes."""
    if unit.activation is None:
        return 0
    return getattr(unit.activation.module, "bits", 1)


def _outputs(unit: Unit, places: dict, largest: int) -> dict:
    """Thresholds, flips, bits and stream of a unit whose sums lie within +-largest."""
    norm: nn.BatchNorm2d | None = unit.norm.module if unit.norm else None
    slope, offset = affine(norm, _numpy(unit.conv.module.scales()))
    if unit.stream is None:
        thresholds, flips = cut(slope, offset - _shift(unit), largest)
        return {"thresholds": thresholds, "flips": flips, "out_bits": _bits(unit)}
    stream = _gridded(unit)
    path = unit.norm.path if unit.norm else unit.path
    gains, offsets, down = multipliers(slope, offset, stream.fraction, path)
    layer = StreamLayer(
        bits=stream.bits,
        shift=down,
        multipliers=gains,
        offsets=offsets,
        residual=None if unit.residual is None else places[unit.residual],
        prelu=_prelu(stream),
    )
    return _cuts(unit, len(slope)) | {"stream": layer}


def _shift(unit: Unit) -> np.ndarray | float:
    """Shift of a unit's sign, [c_out] where it has one."""
    act = unit.activation.module if unit.activation else None
    return _numpy(act.shift).astype(np.float64) if isinstance(act, ShiftedSign) else 0.0


def _gridded(unit: Unit) -> Stream:
    """The stream of a unit; UserError where it has no grid yet."""
    stream: Stream = unit.stream.module
    if not stream.bits:
        raise UserError(
            f"{unit.stream.path}: has no bits and scale yet: run model.calibrate.calibrate on the "
            "network, or give the export images to calibrate with"
        )
    return stream


def _cuts(unit: Unit, channels: int) -> dict:
    """How the stream of a unit becomes planes: thresholds, flips, bits and step."""
    stream, step = _gridded(unit), 0
    act = unit.activation.module if unit.activation else None
    edge = 1 << (stream.bits - 1)
    cuts = np.ceil(_shift(unit) * 2.0**stream.fraction) * np.ones(channels)
    if isinstance(act, Quantise) and act.bits > 1:
        step = act.log2_step + stream.fraction
        if not 0 <= step < stream.bits:
            raise UserError(
                f"{unit.activation.path}: its levels lie 2^{act.log2_step} apart, and the stream "
                f"{unit.stream.path} has {stream.fraction} binary places: choose another log2_step"
            )
    return {
        "thresholds": np.clip(cuts, -edge, edge).astype(np.int32),
        "flips": np.zeros(channels, bool),
        "out_bits": _bits(unit),
        "step": step,
    }


def _prelu(stream: Stream) -> Prelu | None:
    prelu = stream.prelu
    if prelu is None:
        return None
    size = 2.0**stream.fraction
    before, after = (_numpy(prelu.on_grid(s, size)) for s in (prelu.before, prelu.after))
    slopes = _numpy(prelu.slopes())
    return Prelu(before.astype(np.int16), slopes.astype(np.int8), after.astype(np.int16))


def _head(call: Call, on: str = "planes", fraction: int = 0) -> HeadLayer:
    """The head. On a stream its sums are 2^fraction times the floats', and so is its bias."""
    head: Head = call.module
    _, channels, height, width = call.fed
    with torch.no_grad():
        weight, bias, _ = head.quantised(1 if head.flatten else height * width)
    numbers = _numpy(bias).astype(np.float64) * 2.0**fraction
    if np.abs(numbers).max() > np.iinfo(np.int32).max:
        raise UserError(f"{call.path}: a bias does not fit into 32 bits beside its 8-bit weights")
    return HeadLayer(
        call.path,
        channels,
        height,
        width,
        _numpy(weight).astype(np.int8),
        np.rint(numbers).astype(np.int32),
        on,
        head.flatten,
    )
