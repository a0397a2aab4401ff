"""Reads a network out of a file's description and tensors; names what is wrong with them.

See `model.format`, which says what there is, and `model.rules`, which checks what it means.
"""

import json

import numpy as np

from model import bits
from model.errors import UserError
from model.network import (
    INPUT,
    Conv,
    Head,
    Layer,
    Network,
    Pointwise,
    Pooling,
    Prelu,
    Stem,
    Stream,
)
from model.rules import (
    MAX_CHANNELS,
    MAX_CLASSES,
    MAX_KERNEL,
    MAX_SHIFT,
    MAX_SIDE,
    MAX_STREAM_BITS,
    MAX_VALUE_BITS,
    STRIDES,
    TAUS,
)

__all__ = ["build"]

BYTE = (np.dtype("uint8"),)
INT8 = (np.dtype("int8"),)
INT16 = (np.dtype("int16"),)
INT32 = (np.dtype("int32"),)


class _Reader:
    """Takes typed values out of the description and tensors, naming what is wrong."""

    def __init__(self, where: str, tensors: dict[str, np.ndarray], version: int):
        self.where = where
        self.tensors = tensors
        self.version = version

    def fail(self, what: str, problem: str) -> UserError:
        return UserError(f"{self.where}: {what}: {problem}")

    def integer(self, entry: dict, key: str, what: str, high: int, low: int = 1) -> int:
        value = entry.get(key)
        if type(value) is not int or not low <= value <= high:
            given = repr(value)[:40]
            raise self.fail(what, f"{key} must be a whole number from {low} to {high}, not {given}")
        return value

    def optional(
        self, entry: dict, key: str, what: str, high: int, default: int | None, low: int = 1
    ) -> int | None:
        """An integer that may be absent."""
        return self.integer(entry, key, what, high, low) if key in entry else default

    def flag(self, entry: dict, key: str, what: str) -> bool:
        value = entry.get(key, False)
        if type(value) is not bool:
            raise self.fail(what, f"{key} must be true or false, not {repr(value)[:40]}")
        return value

    def text(self, entry: dict, key: str, what: str) -> str:
        value = entry.get(key)
        if not isinstance(value, str) or not 1 <= len(value) <= 100 or not value.isprintable():
            raise self.fail(what, f"{key} must be a short text")
        return value

    def only(self, entry: dict, keys: set[str], what: str) -> None:
        """An unknown field may change what the others mean, so it can't be passed over."""
        unknown = sorted(set(entry) - keys)
        if unknown:
            raise self.fail(what, f"the field {unknown[0][:40]!r} is not known")

    def spare_bits(self, name: str, stream: np.ndarray, used: int) -> None:
        if used % 8 and int(stream[-1]) >> used % 8:
            raise self.fail(name, "the spare bits of the last byte are not zero")

    def tensor(self, name: str, types: tuple, shape: tuple[int, ...]) -> np.ndarray:
        value = self.tensors.pop(name, None)
        if value is None:
            raise self.fail(name, "tensor is missing")
        if value.dtype not in types:
            raise self.fail(name, f"type {value.dtype} is not {' or '.join(map(str, types))}")
        if value.shape != shape:
            raise self.fail(name, f"shape {value.shape} is not {shape}")
        return value

    def codes(self, name: str, shape: tuple[int, int], width: int) -> np.ndarray:
        """Numbers of ``width`` bits packed without gaps."""
        count = shape[0] * shape[1]
        stream = self.tensor(name, BYTE, (-(-count * width // 8),))
        self.spare_bits(name, stream, count * width)
        return bits.unpack_indices(stream, count, width).reshape(shape)


def build(metadata: dict[str, str], tensors: dict[str, np.ndarray], where: str) -> Network:
    """The network of a decoded file; UserError, beginning with ``where``, for what is wrong."""
    reader = _Reader(where, dict(tensors), int(metadata["format"]))
    try:
        description = json.loads(metadata["network"], parse_constant=_no_constant)
        image = description["image"]
        entries = description["layers"]
        provenance = description["provenance"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise reader.fail("network", "the description cannot be read") from error
    known = {"name", "image", "layers", "provenance"}
    known |= {"encoding", "stem"} if reader.version >= 3 else set()
    reader.only(description, known, "network")
    if not isinstance(entries, list) or not isinstance(provenance, dict):
        raise reader.fail("network", "the description has no layer list or no provenance")
    if not isinstance(image, list) or len(image) != 3 or any(type(n) is not int for n in image):
        raise reader.fail("image", "must be three whole numbers: colours, height, width")
    name = reader.text(description, "name", "network")
    encoding = description.get("encoding", "thermometer")
    if encoding not in ("thermometer", "binary", "stem"):
        problem = f"{repr(encoding)[:40]} is not thermometer, binary or stem"
        raise reader.fail("encoding", problem)
    if ("stem" in description) != (encoding == "stem"):
        raise reader.fail("encoding", "is stem exactly where a stem is described")
    thresholds = np.zeros((image[0], 0), np.uint8)
    if encoding == "thermometer":
        thresholds = reader.tensors.pop("input.thresholds", None)
        if thresholds is None or thresholds.dtype != np.uint8 or thresholds.ndim != 2:
            raise reader.fail("input.thresholds", "must be uint8 [colours, levels]")
    stem = _build_stem(reader, description["stem"], image) if encoding == "stem" else None
    layers = tuple(_build_layer(reader, place, entry) for place, entry in enumerate(entries))
    if reader.tensors:
        raise reader.fail(sorted(reader.tensors)[0], "tensor belongs to no layer")
    return Network(name, tuple(image), thresholds, layers, provenance, encoding, stem)


def _no_constant(text: str) -> None:
    """Refuses NaN and the infinities, which are not JSON."""
    raise ValueError(text)


def _build_layer(reader: _Reader, place: int, entry: dict) -> Layer:
    what = f"layer {place}"
    if not isinstance(entry, dict):
        raise reader.fail(what, "is not described")
    builders = {Conv.kind: _build_conv, Head.kind: _build_head}
    if reader.version >= 3:
        builders[Pointwise.kind] = _build_pointwise
    if reader.version >= 4:
        builders[Pooling.kind] = _build_pooling
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in builders:
        known = ", ".join(builders)
        raise reader.fail(what, f"kind {repr(kind)[:40]} is not known; known kinds: {known}")
    name = reader.text(entry, "name", what)
    height = reader.integer(entry, "height", what, MAX_SIDE)
    width = reader.integer(entry, "width", what, MAX_SIDE)
    return builders[kind](reader, place, entry, name, height, width)


_BASE = {"kind", "name", "height", "width"}
_OUTPUTS = {"out_bits", "step", "stream"}


def _build_conv(
    reader: _Reader, place: int, entry: dict, name: str, height: int, width: int
) -> Conv:
    what = f"layer {place} ({name})"
    c_in = reader.integer(entry, "c_in", what, MAX_CHANNELS)
    c_out = reader.integer(entry, "c_out", what, MAX_CHANNELS)
    tau = reader.integer(entry, "tau", what, bits.TAPS)
    if tau not in TAUS:
        raise reader.fail(what, f"tau {tau} is not one of {', '.join(map(str, TAUS))}")
    pool = reader.text(entry, "pool", what)
    padding = reader.text(entry, "padding", what)
    if padding != "zero" and reader.version < 3:
        raise reader.fail(what, f"padding {padding!r} is not 'zero', which versions 1 and 2 have")
    if tau == bits.TAPS:
        codebook = np.arange(bits.KERNELS, dtype=np.uint16)
    else:
        codebook = reader.tensor(f"{place}.codebook", (np.dtype("uint16"),), (1 << tau,))
    known = _BASE | {"c_in", "c_out", "tau", "pool", "padding"}
    known |= {"stride"} if reader.version >= 2 else set()
    known |= {"source", "in_bits"} | _OUTPUTS if reader.version >= 3 else set()
    reader.only(entry, known, what)
    indices = reader.codes(f"{place}.indices", (c_out, c_in), tau)
    return Conv(
        name=name,
        height=height,
        width=width,
        tau=tau,
        pool=pool,
        codebook=codebook,
        indices=indices,
        padding=padding,
        **_common(reader, place, entry, what, c_out),
    )


def _build_pointwise(
    reader: _Reader, place: int, entry: dict, name: str, height: int, width: int
) -> Pointwise:
    what = f"layer {place} ({name})"
    c_in = reader.integer(entry, "c_in", what, MAX_CHANNELS)
    c_out = reader.integer(entry, "c_out", what, MAX_CHANNELS)
    weight_bits = reader.integer(entry, "weight_bits", what, MAX_VALUE_BITS)
    pool = reader.text(entry, "pool", what)
    flatten = reader.flag(entry, "flatten", what)
    known = {"c_in", "c_out", "weight_bits", "pool", "flatten", "stride", "source", "in_bits"}
    reader.only(entry, _BASE | known | _OUTPUTS, what)
    features = c_in * height * width if flatten else c_in
    codes = reader.codes(f"{place}.codes", (c_out, features), weight_bits)
    return Pointwise(
        name=name,
        height=height,
        width=width,
        codes=codes,
        weight_bits=weight_bits,
        pool=pool,
        flatten=flatten,
        **_common(reader, place, entry, what, c_out),
    )


def _build_pooling(
    reader: _Reader, place: int, entry: dict, name: str, height: int, width: int
) -> Pooling:
    what = f"layer {place} ({name})"
    reader.only(entry, _BASE | {"channels", "pool", "of", "bits", "out_bits", "step"}, what)
    c_out = reader.integer(entry, "channels", what, MAX_CHANNELS)
    return Pooling(
        name=name,
        height=height,
        width=width,
        c_out=c_out,
        pool=reader.text(entry, "pool", what),
        of=reader.integer(entry, "of", what, place - 1, INPUT),
        bits=reader.integer(entry, "bits", what, MAX_STREAM_BITS, 2),
        **_planes(reader, str(place), entry, what, c_out),
    )


def _common(reader: _Reader, place: int, entry: dict, what: str, c_out: int) -> dict:
    """Fields that every convolution has."""
    return {
        "stride": reader.optional(entry, "stride", what, max(STRIDES), 1),
        "source": reader.optional(entry, "source", what, max(place - 1, INPUT), None, INPUT),
        "in_bits": reader.optional(entry, "in_bits", what, MAX_VALUE_BITS, 1),
    } | _outputs(reader, str(place), entry, what, c_out, place - 1)


def _outputs(
    reader: _Reader, prefix: str, entry: dict, what: str, c_out: int, before: int | None
) -> dict:
    """Fields of `_OUTPUTS` and their tensors; ``before`` is the last place that a residual may
    come from, None where there can be none."""
    stream = _stream(reader, prefix, entry, what, c_out, before)
    return _planes(reader, prefix, entry, what, c_out) | {"stream": stream}


def _planes(reader: _Reader, prefix: str, entry: dict, what: str, c_out: int) -> dict:
    """How a layer's outputs become planes."""
    out_bits = reader.optional(entry, "out_bits", what, MAX_VALUE_BITS, 1, 0)
    thresholds, flips = np.zeros(c_out, np.int32), np.zeros(c_out, bool)
    if out_bits:
        thresholds = reader.tensor(f"{prefix}.thresholds", INT16 + INT32, (c_out,))
        packed = reader.tensor(f"{prefix}.flips", BYTE, (-(-c_out // 8),))
        reader.spare_bits(f"{prefix}.flips", packed, c_out)
        flips = np.unpackbits(packed, count=c_out, bitorder="little").astype(bool)
    return {
        "thresholds": thresholds.astype(np.int32),
        "flips": flips,
        "out_bits": out_bits,
        "step": reader.optional(entry, "step", what, MAX_STREAM_BITS, 0, 0),
    }


def _stream(
    reader: _Reader, prefix: str, entry: dict, what: str, c_out: int, before: int | None
) -> Stream | None:
    if "stream" not in entry:
        return None
    given = entry["stream"]
    what = f"{what}, stream"
    if not isinstance(given, dict):
        raise reader.fail(what, "is not described")
    known, residual = {"bits", "shift", "prelu"}, None
    if before is not None:
        known |= {"residual"}
        residual = reader.optional(given, "residual", what, before, None, INPUT)
    reader.only(given, known, what)
    prelu = None
    if reader.flag(given, "prelu", what):
        prelu = Prelu(
            reader.tensor(f"{prefix}.before", INT16, (c_out,)),
            reader.tensor(f"{prefix}.slopes", INT8, (c_out,)),
            reader.tensor(f"{prefix}.after", INT16, (c_out,)),
        )
    return Stream(
        bits=reader.integer(given, "bits", what, MAX_STREAM_BITS, 2),
        shift=reader.integer(given, "shift", what, MAX_SHIFT, 0),
        multipliers=reader.tensor(f"{prefix}.multipliers", INT16, (c_out,)),
        offsets=reader.tensor(f"{prefix}.offsets", INT32, (c_out,)),
        residual=residual,
        prelu=prelu,
    )


def _build_stem(reader: _Reader, entry: dict, image: list[int]) -> Stem:
    what = "stem"
    if not isinstance(entry, dict):
        raise reader.fail(what, "is not described")
    reader.only(entry, {"kernel", "c_out", "stride", "pool"} | _OUTPUTS, what)
    kernel = reader.integer(entry, "kernel", what, MAX_KERNEL)
    c_out = reader.integer(entry, "c_out", what, MAX_CHANNELS)
    weight = reader.tensor("stem.weight", INT8, (c_out, image[0], kernel, kernel))
    outputs = _outputs(reader, "stem", entry, what, c_out, None)
    if outputs["stream"] is None:
        raise reader.fail(what, "has no stream")
    return Stem(
        height=image[1],
        width=image[2],
        weight=weight,
        stride=reader.integer(entry, "stride", what, max(STRIDES)),
        pool=reader.text(entry, "pool", what),
        **outputs,
    )


def _build_head(
    reader: _Reader, place: int, entry: dict, name: str, height: int, width: int
) -> Head:
    what = f"layer {place} ({name})"
    channels = reader.integer(entry, "channels", what, MAX_CHANNELS)
    classes = reader.integer(entry, "classes", what, MAX_CLASSES)
    known = _BASE | {"channels", "classes"}
    known |= {"on", "flatten"} if reader.version >= 3 else set()
    reader.only(entry, known, what)
    on = reader.text(entry, "on", what) if "on" in entry else "planes"
    flatten = reader.flag(entry, "flatten", what)
    features = channels * height * width if flatten else channels
    weight = reader.tensor(f"{place}.weight", INT8, (classes, features))
    bias = reader.tensor(f"{place}.bias", INT32, (classes,))
    return Head(name, channels, height, width, weight, bias, on, flatten)
