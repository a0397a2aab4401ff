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
``n.weight``, ``n.bias``  int8/32   head: [classes, features] and [classes]
``n.codes``               uint8     conv1x1: stream of [c_out, features] weight codes
``n.multipliers``,        int16,    a stream's scale of each output channel
``n.offsets``             int32
``n.before``,             int16,    shifted PReLU of a stream, each [c_out]
``n.slopes``,             int8,
``n.after``               int16
``stem.weight``           int8      [c_out, colours, k, k]; a stem's other tensors as above
========================  ========  ============================================================

The header's metadata holds ``format`` (the oldest version that has all the network needs),
``network`` (JSON: image shape, layer list, provenance) and ``sha256``: of the whole file with the
digest's own 64 characters set to ``0``. What the numbers mean is said by `model.golden`, kernel
numbers and bit order by `model.bits`.

Version 2 adds ``stride`` to a conv3x3's description; where it is absent, it is 1. Version 3 adds
all that residual networks and numbers of several bits take: conv1x1, stems, streams, sources, other
paddings and encodings of the input; each field that is absent has the value of `model.network`.
Version 4 adds the layer ``pool``, with ``n.thresholds`` and ``n.flips`` as its tensors.
"""

import json
from pathlib import Path

import numpy as np

from model import bits
from model.container import FORMAT_VERSION, decode, encode
from model.errors import UserError
from model.files import make_folder, write_whole
from model.network import Conv, Head, Layer, Network, Pointwise, Pooling, Stem, Stream
from model.parse import build
from model.rules import check_network

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
    build(*decode(blob, str(path)), str(path))
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
    network = build(metadata, tensors, str(path))
    check_network(network, str(path))
    return network


def _encode(network: Network) -> bytes:
    """The file's bytes."""
    tensors, description = {}, {"name": network.name, "image": list(network.image)}
    if network.encoding == "thermometer":
        tensors["input.thresholds"] = np.asarray(network.input_thresholds, np.uint8)
    else:
        description["encoding"] = network.encoding
    if network.stem is not None:
        description["stem"] = _stem_entry(network.stem)
        for key, value in _stem_tensors(network.stem).items():
            tensors[f"stem.{key}"] = value
    for place, layer in enumerate(network.layers):
        for key, value in _layer_tensors(layer).items():
            tensors[f"{place}.{key}"] = value
    entries = [_layer_entry(layer) for layer in network.layers]
    description |= {"layers": entries, "provenance": network.provenance}
    text = json.dumps(description, separators=(",", ":"), sort_keys=True)
    return encode(tensors, text, _version(network, entries))


def _version(network: Network, entries: list[dict]) -> int:
    """The oldest version that says all of it: who reads that can run the network."""
    first = {"conv3x3": _CONV_KEYS, "head": _HEAD_KEYS}
    extra = set().union(*(set(e) - first.get(e["kind"], set()) for e in entries))
    other = any(e["kind"] not in first or e.get("padding", "zero") != "zero" for e in entries)
    pools = {e.get("pool", "none") for e in entries}
    if any(e["kind"] == Pooling.kind for e in entries):
        return 4
    if network.encoding != "thermometer" or other or extra - {"stride"} or "avg2" in pools:
        return 3
    return 2 if extra else 1


_BASE_KEYS = {"kind", "name", "height", "width"}
_CONV_KEYS = _BASE_KEYS | {"c_in", "c_out", "tau", "pool", "padding"}
_HEAD_KEYS = _BASE_KEYS | {"channels", "classes"}


def _integers(values: np.ndarray) -> np.ndarray:
    """Thresholds in the smaller type that holds them."""
    small = np.abs(values.astype(np.int64)).max(initial=0) < 1 << 15
    return values.astype(np.int16 if small else np.int32)


def _plane_tensors(layer: Conv | Pointwise | Pooling | Stem) -> dict[str, np.ndarray]:
    if not layer.out_bits:
        return {}
    flips = np.packbits(layer.flips.astype(bool), bitorder="little")
    return {"thresholds": _integers(layer.thresholds), "flips": flips}


def _output_tensors(layer: Conv | Pointwise | Stem) -> dict[str, np.ndarray]:
    tensors = _plane_tensors(layer)
    if layer.stream is not None:
        tensors["multipliers"] = layer.stream.multipliers.astype(np.int16)
        tensors["offsets"] = layer.stream.offsets.astype(np.int32)
        if prelu := layer.stream.prelu:
            tensors["before"] = prelu.before.astype(np.int16)
            tensors["slopes"] = prelu.slopes.astype(np.int8)
            tensors["after"] = prelu.after.astype(np.int16)
    return tensors


def _layer_tensors(layer: Layer) -> dict[str, np.ndarray]:
    if isinstance(layer, Head):
        return {"weight": layer.weight.astype(np.int8), "bias": layer.bias.astype(np.int32)}
    if isinstance(layer, Pooling):
        return _plane_tensors(layer)
    if isinstance(layer, Pointwise):
        codes = bits.pack_indices(layer.codes, layer.weight_bits)
        return {"codes": codes} | _output_tensors(layer)
    tensors = {"indices": bits.pack_indices(layer.indices, layer.tau)}
    if layer.tau < bits.TAPS:
        tensors["codebook"] = layer.codebook.astype(np.uint16)
    return tensors | _output_tensors(layer)


def _stem_tensors(stem: Stem) -> dict[str, np.ndarray]:
    return {"weight": stem.weight.astype(np.int8)} | _output_tensors(stem)


def _stem_entry(stem: Stem) -> dict:
    return {
        "kernel": stem.weight.shape[2],
        "c_out": stem.c_out,
        "stride": stem.stride,
        "pool": stem.pool,
    } | _output_entry(stem)


def _plane_entry(layer: Conv | Pointwise | Pooling | Stem) -> dict:
    entry = {}
    if layer.out_bits != 1:
        entry["out_bits"] = layer.out_bits
    if layer.step:
        entry["step"] = layer.step
    return entry


def _output_entry(layer: Conv | Pointwise | Stem) -> dict:
    """What a layer's description says about its outputs, defaults left out."""
    entry = _plane_entry(layer)
    if layer.stream is not None:
        entry["stream"] = _stream_entry(layer.stream)
    return entry


def _stream_entry(stream: Stream) -> dict:
    entry = {"bits": stream.bits, "shift": stream.shift, "prelu": stream.prelu is not None}
    return entry if stream.residual is None else entry | {"residual": stream.residual}


def _layer_entry(layer: Layer) -> dict:
    entry = {"kind": layer.kind, "name": layer.name, "height": layer.height, "width": layer.width}
    if isinstance(layer, Head):
        entry |= {"channels": layer.channels, "classes": layer.classes}
        if layer.on != "planes":
            entry["on"] = layer.on
        return entry | {"flatten": True} if layer.flatten else entry
    if isinstance(layer, Pooling):
        entry |= {"channels": layer.c_out, "pool": layer.pool, "of": layer.of, "bits": layer.bits}
        return entry | _plane_entry(layer)
    entry |= {"c_in": layer.c_in, "c_out": layer.c_out, "pool": layer.pool}
    if isinstance(layer, Pointwise):
        entry |= {"weight_bits": layer.weight_bits, "flatten": layer.flatten}
    else:
        entry |= {"tau": layer.tau, "padding": layer.padding}
    if layer.stride > 1:
        entry["stride"] = layer.stride
    if layer.source is not None:
        entry["source"] = layer.source
    if layer.in_bits > 1:
        entry["in_bits"] = layer.in_bits
    return entry | _output_entry(layer)
