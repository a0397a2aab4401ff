"""The exported network: one file of plain integers, defined here and nowhere else.

The container is safetensors: eight bytes of header length, a JSON header that names each tensor's
type, shape and place, then the raw little-endian data. It holds no code, and numpy with ``json``
reads it (docs/format.md shows how). Needs numpy and safetensors; never torch.

Tensors, for the layer at place ``n`` of the list:

========================  ========  ============================================================
name                      type      what
========================  ========  ============================================================
``input.thresholds``      uint8     [colours, levels]; plane ``colour * levels + level`` is +1
                                    where the pixel is >= the threshold
``n.codebook``            uint16    [2^tau] kernel numbers; absent at tau 9, where an index is
                                    the kernel number itself
``n.indices``             uint8     index stream of [c_out, c_in] indices of tau bits
``n.thresholds``          int16/32  [c_out]
``n.flips``               uint8     [ceil(c_out / 8)], one bit an output channel, lowest first
``n.weight``, ``n.bias``  int8/32   head: [classes, channels] and [classes]
========================  ========  ============================================================

The header's metadata holds ``format`` (the oldest version that has all the network needs),
``network`` (JSON: image shape, layer list, provenance) and ``sha256``: of the whole file with the
digest's own 64 characters set to ``0``. What the numbers mean is said by `model.golden`, kernel
numbers and bit order by `model.bits`.

Version 2 adds ``stride`` to a conv3x3's description; where it is absent, it is 1.
"""

import json
from pathlib import Path

import numpy as np

from model import bits
from model.container import FORMAT_VERSION, decode, encode
from model.errors import UserError
from model.files import make_folder, write_whole
from model.network import Conv, Head, Layer, Network
from model.rules import MAX_CHANNELS, MAX_CLASSES, MAX_SIDE, STRIDES, TAUS, check_network

__all__ = ["FORMAT_VERSION", "SUFFIX", "Conv", "Head", "Layer", "Network", "load", "save"]

SUFFIX = ".safetensors"
MAX_FILE_BYTES = 1 << 28


def save(network: Network, path: str | Path) -> int:
    """Check the network and write it in one step (never half a file); returns its bytes.

    Raises UserError where the network breaks a rule of the format or the file can't be written.
    """
    check_network(network, str(path))
    blob = _encode(network)
    # What could not be read again (a name too long, a NaN in the provenance) is not written.
    _build(*decode(blob, str(path)), str(path))
    path = Path(path)
    make_folder(path.parent)
    write_whole(path, lambda file: file.write(blob))
    return len(blob)


def load(path: str | Path) -> Network:
    """Read a network and check everything about it before use.

    Raises UserError, with one line that names the tensor and the problem, for a file that is
    missing, truncated, altered, of another version, or inconsistent.
    """
    try:
        with open(path, "rb") as file:
            blob = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if len(blob) > MAX_FILE_BYTES:
        raise UserError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB: not an exported network")
    metadata, tensors = decode(blob, str(path))
    network = _build(metadata, tensors, str(path))
    check_network(network, str(path))
    return network


def _encode(network: Network) -> bytes:
    """The file's bytes."""
    tensors = {"input.thresholds": np.asarray(network.input_thresholds, np.uint8)}
    for place, layer in enumerate(network.layers):
        for key, value in _layer_tensors(layer).items():
            tensors[f"{place}.{key}"] = value
    description = {
        "name": network.name,
        "image": list(network.image),
        "layers": [_layer_entry(layer) for layer in network.layers],
        "provenance": network.provenance,
    }
    text = json.dumps(description, separators=(",", ":"), sort_keys=True)
    # A reader of the first version can read every network that it can run.
    strided = any(conv.stride > 1 for conv in network.convs)
    return encode(tensors, text, FORMAT_VERSION if strided else 1)


def _layer_tensors(layer: Layer) -> dict[str, np.ndarray]:
    if isinstance(layer, Head):
        return {"weight": layer.weight.astype(np.int8), "bias": layer.bias.astype(np.int32)}
    small = np.abs(layer.thresholds).max(initial=0) < 1 << 15
    tensors = {
        "indices": bits.pack_indices(layer.indices, layer.tau),
        "thresholds": layer.thresholds.astype(np.int16 if small else np.int32),
        "flips": np.packbits(layer.flips.astype(bool), bitorder="little"),
    }
    if layer.tau < bits.TAPS:
        tensors["codebook"] = layer.codebook.astype(np.uint16)
    return tensors


def _layer_entry(layer: Layer) -> dict:
    entry = {"kind": layer.kind, "name": layer.name, "height": layer.height, "width": layer.width}
    if isinstance(layer, Head):
        return entry | {"channels": layer.channels, "classes": layer.classes}
    entry |= {
        "c_in": layer.c_in,
        "c_out": layer.c_out,
        "tau": layer.tau,
        "pool": layer.pool,
        "padding": layer.padding,
    }
    return entry if layer.stride == 1 else entry | {"stride": layer.stride}


class _Reader:
    """Takes typed values out of the description and tensors, naming what is wrong."""

    def __init__(self, where: str, tensors: dict[str, np.ndarray], version: int):
        self.where = where
        self.tensors = tensors
        self.version = version

    def fail(self, what: str, problem: str) -> UserError:
        return UserError(f"{self.where}: {what}: {problem}")

    def integer(self, entry: dict, key: str, what: str, high: int) -> int:
        value = entry.get(key)
        if type(value) is not int or not 1 <= value <= high:
            given = repr(value)[:40]
            raise self.fail(what, f"{key} must be a whole number from 1 to {high}, not {given}")
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


def _build(metadata: dict[str, str], tensors: dict[str, np.ndarray], where: str) -> Network:
    reader = _Reader(where, dict(tensors), int(metadata["format"]))
    try:
        description = json.loads(metadata["network"], parse_constant=_no_constant)
        image = description["image"]
        entries = description["layers"]
        provenance = description["provenance"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise reader.fail("network", "the description cannot be read") from error
    reader.only(description, {"name", "image", "layers", "provenance"}, "network")
    if not isinstance(entries, list) or not isinstance(provenance, dict):
        raise reader.fail("network", "the description has no layer list or no provenance")
    if not isinstance(image, list) or len(image) != 3 or any(type(n) is not int for n in image):
        raise reader.fail("image", "must be three whole numbers: colours, height, width")
    name = reader.text(description, "name", "network")
    thresholds = reader.tensors.pop("input.thresholds", None)
    if thresholds is None or thresholds.dtype != np.uint8 or thresholds.ndim != 2:
        raise reader.fail("input.thresholds", "must be uint8 [colours, levels]")
    layers = tuple(_build_layer(reader, place, entry) for place, entry in enumerate(entries))
    if reader.tensors:
        raise reader.fail(sorted(reader.tensors)[0], "tensor belongs to no layer")
    return Network(name, tuple(image), thresholds, layers, provenance)


def _no_constant(text: str) -> None:
    """Refuses NaN and the infinities, which are not JSON."""
    raise ValueError(text)


def _build_layer(reader: _Reader, place: int, entry: dict) -> Layer:
    what = f"layer {place}"
    if not isinstance(entry, dict):
        raise reader.fail(what, "is not described")
    builders = {Conv.kind: _build_conv, Head.kind: _build_head}
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in builders:
        known = ", ".join(builders)
        raise reader.fail(what, f"kind {repr(kind)[:40]} is not known; known kinds: {known}")
    name = reader.text(entry, "name", what)
    height = reader.integer(entry, "height", what, MAX_SIDE)
    width = reader.integer(entry, "width", what, MAX_SIDE)
    return builders[kind](reader, place, entry, name, height, width)


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
    if tau == bits.TAPS:
        codebook = np.arange(bits.KERNELS, dtype=np.uint16)
    else:
        codebook = reader.tensor(f"{place}.codebook", (np.dtype("uint16"),), (1 << tau,))
    known = {"kind", "name", "height", "width", "c_in", "c_out", "tau", "pool", "padding"}
    stride = 1
    if reader.version >= 2:
        known.add("stride")
        if "stride" in entry:
            stride = reader.integer(entry, "stride", what, max(STRIDES))
    reader.only(entry, known, what)
    byte = (np.dtype("uint8"),)
    stream = reader.tensor(f"{place}.indices", byte, (-(-c_in * c_out * tau // 8),))
    integers = (np.dtype("int16"), np.dtype("int32"))
    thresholds = reader.tensor(f"{place}.thresholds", integers, (c_out,)).astype(np.int32)
    flips = reader.tensor(f"{place}.flips", byte, (-(-c_out // 8),))
    reader.spare_bits(f"{place}.indices", stream, c_in * c_out * tau)
    reader.spare_bits(f"{place}.flips", flips, c_out)
    indices = bits.unpack_indices(stream, c_in * c_out, tau).reshape(c_out, c_in)
    flips = np.unpackbits(flips, count=c_out, bitorder="little").astype(bool)
    return Conv(
        name, height, width, tau, pool, codebook, indices, thresholds, flips, padding, stride
    )


def _build_head(
    reader: _Reader, place: int, entry: dict, name: str, height: int, width: int
) -> Head:
    what = f"layer {place} ({name})"
    channels = reader.integer(entry, "channels", what, MAX_CHANNELS)
    classes = reader.integer(entry, "classes", what, MAX_CLASSES)
    reader.only(entry, {"kind", "name", "height", "width", "channels", "classes"}, what)
    weight = reader.tensor(f"{place}.weight", (np.dtype("int8"),), (classes, channels))
    bias = reader.tensor(f"{place}.bias", (np.dtype("int32"),), (classes,))
    return Head(name, channels, height, width, weight, bias)
