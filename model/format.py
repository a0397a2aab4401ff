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

The header's metadata holds ``format`` (this version), ``network`` (JSON: image shape, layer
list, provenance) and ``sha256``: of the whole file with the digest's own 64 characters set to
``0``. What the numbers mean is said by `model.golden`, kernel numbers and bit order by
`model.bits`.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from model import bits
from model.errors import UserError

__all__ = [
    "FORMAT_VERSION",
    "SUFFIX",
    "TAUS",
    "Conv",
    "Head",
    "Layer",
    "Network",
    "load",
    "save",
]

FORMAT_VERSION = 1
SUFFIX = ".safetensors"
TAUS = (3, 4, 5, 6, bits.TAPS)
POOLS = ("none", "max2")
MAX_SIDE = 1024
MAX_CHANNELS = 4096
MAX_CLASSES = 256
MAX_FILE_BYTES = 1 << 28
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, eq=False)
class Conv:
    """A 3x3 binary convolution, optional 2x2 max pooling, and a threshold per output channel.

    ``indices`` [c_out, c_in] name codebook entries; ``codebook`` [2^tau] holds kernel numbers.
    At tau 9 the layer is plainly binary: the codebook is all 512 kernels in order.
    """

    name: str
    height: int
    width: int
    tau: int
    pool: str
    codebook: np.ndarray
    indices: np.ndarray
    thresholds: np.ndarray
    flips: np.ndarray
    padding: str = "zero"

    kind = "conv3x3"

    @property
    def c_out(self) -> int:
        return self.indices.shape[0]

    @property
    def c_in(self) -> int:
        return self.indices.shape[1]

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) after pooling."""
        scale = 2 if self.pool == "max2" else 1
        return self.c_out, self.height // scale, self.width // scale

    @property
    def kernels(self) -> np.ndarray:
        """Kernel numbers, uint16 [c_out, c_in]."""
        return self.codebook[self.indices]

    @property
    def antipodal(self) -> bool:
        """Whether the top index bit is a sign; see `model.bits.antipodal_order`."""
        return self.tau < bits.TAPS and bits.is_antipodal(self.codebook)

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image: nine a kernel application, padded taps counted in."""
        return bits.TAPS * self.c_in * self.c_out * self.height * self.width

    @property
    def stored_bits(self) -> int:
        """tau bits an index, as the published cost figures count: without the codebook."""
        return self.tau * self.c_in * self.c_out


@dataclass(frozen=True, eq=False)
class Head:
    """Global sum pooling of the +-1 map, then ``weight @ sums + bias`` (int8, int32), arg-max."""

    name: str
    channels: int
    height: int
    width: int
    weight: np.ndarray
    bias: np.ndarray

    kind = "head"

    @property
    def classes(self) -> int:
        return self.weight.shape[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image of the dense layer."""
        return self.classes * self.channels

    @property
    def stored_bits(self) -> int:
        return 8 * self.weight.size


Layer = Conv | Head


@dataclass(frozen=True, eq=False)
class Network:
    """A whole network. ``layers`` are convolutions and, last, one head.

    ``image`` is (colours, height, width) of the 8-bit input; ``input_thresholds`` uint8
    [colours, levels]; ``provenance`` says how the network was trained (plain JSON values).
    """

    name: str
    image: tuple[int, int, int]
    input_thresholds: np.ndarray
    layers: tuple[Layer, ...]
    provenance: dict = field(default_factory=dict)

    @property
    def convs(self) -> tuple[Conv, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Conv))

    @property
    def head(self) -> Head:
        return self.layers[-1]

    @property
    def stored_bits(self) -> int:
        """Bits of the convolutions' indices, by the published formula tau * c_in * c_out."""
        return sum(conv.stored_bits for conv in self.convs)


def save(network: Network, path: str | Path) -> int:
    """Check the network and write it in one step (never half a file); returns its bytes.

    Raises UserError where the network breaks a rule of the format or the file can't be written.
    """
    _check(network, str(path))
    blob = _encode(network)
    # What could not be read again (a name too long, a NaN in the provenance) is not written.
    _build(*_decode(blob, str(path)), str(path))
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            try:
                part.write(blob)
                part.flush()
                os.chmod(part.name, 0o644)
                os.replace(part.name, path)
            except BaseException:
                os.unlink(part.name)
                raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
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
    metadata, tensors = _decode(blob, str(path))
    network = _build(metadata, tensors, str(path))
    _check(network, str(path))
    return network


def _encode(network: Network) -> bytes:
    """The file's bytes: tensors, description, and the digest of all of it."""
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
    metadata = {
        "format": str(FORMAT_VERSION),
        "network": json.dumps(description, separators=(",", ":"), sort_keys=True),
        "sha256": _NO_DIGEST,
    }
    blank = save_tensors({k: np.ascontiguousarray(v) for k, v in tensors.items()}, metadata)
    blank = _in_order(blank)
    return blank.replace(_digest_field(_NO_DIGEST), _digest_field(_digest(blank)), 1)


def _in_order(blob: bytes) -> bytes:
    """The same file with a sorted header: the library's order differs from run to run."""
    size = int.from_bytes(blob[:8], "little")
    header = json.dumps(json.loads(blob[8 : 8 + size]), separators=(",", ":"), sort_keys=True)
    # The data begin at a multiple of 8 bytes.
    text = header.encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + blob[8 + size :]


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
    return entry | {
        "c_in": layer.c_in,
        "c_out": layer.c_out,
        "tau": layer.tau,
        "pool": layer.pool,
        "padding": layer.padding,
    }


def _digest_field(digest: str) -> bytes:
    return f'"sha256":"{digest}"'.encode()


def _digest(blank: bytes) -> str:
    return hashlib.sha256(blank).hexdigest()


def _decode(blob: bytes, where: str) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and tensors of a file whose version and digest are right."""
    metadata = _metadata(blob, where)
    version = metadata.get("format")
    if version is None or "network" not in metadata:
        raise UserError(f"{where}: not an exported network (its header names no format)")
    if version != str(FORMAT_VERSION):
        raise UserError(
            f"{where}: format version {version[:20]!r} is not known, this program reads version "
            f"{FORMAT_VERSION}: update the program or export the network again"
        )
    stated = metadata.get("sha256", "")
    blank = blob.replace(_digest_field(stated), _digest_field(_NO_DIGEST), 1)
    if len(stated) != len(_NO_DIGEST) or _digest(blank) != stated:
        raise UserError(f"{where}: altered or truncated (its checksum does not match)")
    try:
        return metadata, load_tensors(blob)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        # The library's text can run over many lines; ours is one.
        problem = " ".join(str(error).split())[:120]
        raise UserError(f"{where}: a tensor cannot be read: {problem}") from error


def _metadata(blob: bytes, where: str) -> dict[str, str]:
    """The header's text entries, read without trusting any of its numbers."""
    size = int.from_bytes(blob[:8], "little")
    if len(blob) < 8 or size > len(blob) - 8:
        raise UserError(f"{where}: truncated, or not an exported network")
    try:
        header = json.loads(blob[8 : 8 + size])
        metadata = header["__metadata__"]
        if all(isinstance(value, str) for value in metadata.values()):
            return metadata
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise UserError(f"{where}: not an exported network (its header cannot be read)")


class _Reader:
    """Takes typed values out of the description and tensors, naming what is wrong."""

    def __init__(self, where: str, tensors: dict[str, np.ndarray]):
        self.where = where
        self.tensors = tensors

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
    reader = _Reader(where, dict(tensors))
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
    return Conv(name, height, width, tau, pool, codebook, indices, thresholds, flips, padding)


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


def _check(network: Network, where: str) -> None:
    """The rules that join tensors: shapes chain, indices lie in the codebook, ranges hold."""

    def require(holds: bool, what: str, problem: str) -> None:
        if not holds:
            raise UserError(f"{where}: {what}: {problem}")

    colours, height, width = network.image
    require(
        1 <= colours <= 4 and 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE,
        "image",
        f"{network.image} is not 1 to 4 colours of 1 to {MAX_SIDE} rows and columns",
    )
    planes = network.input_thresholds
    require(
        planes.ndim == 2 and planes.shape[0] == colours and 1 <= planes.shape[1] <= 255,
        "input.thresholds",
        f"shape {planes.shape} is not ({colours}, 1 to 255 levels)",
    )
    require(len(network.layers) >= 2, "layers", "a network is at least one conv3x3 and a head")
    require(isinstance(network.layers[-1], Head), "layers", "the last layer must be a head")
    shape = (planes.size, height, width)
    for place, layer in enumerate(network.layers[:-1]):
        what = f"layer {place} ({layer.name})"
        require(isinstance(layer, Conv), what, "only the last layer may be a head")
        _check_conv(require, place, layer, what, shape)
        shape = layer.out_shape
    head = network.head
    what = f"layer {len(network.layers) - 1} ({head.name})"
    given = (head.channels, head.height, head.width)
    require(given == shape, what, f"input shape {given} is not the last layer's output {shape}")


def _check_conv(require, place: int, conv: Conv, what: str, shape: tuple[int, int, int]) -> None:
    given = (conv.c_in, conv.height, conv.width)
    require(given == shape, what, f"input shape {given} is not what comes before it: {shape}")
    require(conv.tau in TAUS, what, f"tau {conv.tau} is not one of {TAUS}")
    require(conv.pool in POOLS, what, f"pool {conv.pool!r} is not one of {', '.join(POOLS)}")
    require(conv.padding == "zero", what, f"padding {conv.padding!r} is not 'zero'")
    require(
        conv.pool == "none" or min(conv.height, conv.width) >= 2,
        what,
        f"a {conv.height}x{conv.width} map cannot be pooled 2x2",
    )
    codebook, entries = conv.codebook, 1 << conv.tau
    require(codebook.shape == (entries,), f"{place}.codebook", f"must have {entries} entries")
    require(
        int(codebook.max()) < bits.KERNELS and len(np.unique(codebook)) == entries,
        f"{place}.codebook",
        "entries must be different kernel numbers below 512",
    )
    require(
        int(conv.indices.max()) < entries and int(conv.indices.min()) >= 0,
        f"{place}.indices",
        f"index {int(conv.indices.max())} is past the codebook of {entries} entries",
    )
    low, high = -bits.TAPS * conv.c_in, bits.TAPS * conv.c_in + 1
    require(
        low <= int(conv.thresholds.min()) and int(conv.thresholds.max()) <= high,
        f"{place}.thresholds",
        f"must lie from {low} to {high}, what {conv.c_in} input channels can sum up to",
    )
