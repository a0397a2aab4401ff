"""What every network must fulfil before it is used or written."""

import numpy as np

from model import bits
from model.errors import UserError
from model.network import INPUT, Conv, Head, Network, Pointwise, Pooling, Stem

__all__ = [
    "MAX_CHANNELS",
    "MAX_CLASSES",
    "MAX_KERNEL",
    "MAX_SHIFT",
    "MAX_SIDE",
    "MAX_STREAM_BITS",
    "MAX_VALUE_BITS",
    "PADDINGS",
    "STRIDES",
    "TAUS",
    "check_network",
    "largest_sum",
]

TAUS = (3, 4, 5, 6, bits.TAPS)
POOLS = ("none", "max2")
STREAM_POOLS = (*POOLS, "avg2")
STEM_POOLS = ("none", "max3")
PADDINGS = ("zero", "plus", "minus")
STRIDES = (1, 2)
MAX_SIDE = 1024
MAX_CHANNELS = 4096
MAX_CLASSES = 1024
MAX_KERNEL = 11
MAX_VALUE_BITS = 8
MAX_STREAM_BITS = 16
MAX_SHIFT = 31


def check_network(network: Network, where: str) -> None:
    """The rules that join tensors: shapes chain, indices lie in the codebook, ranges hold.

    Raises UserError with one line that begins with ``where`` and names the layer or tensor.
    """

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
        network.encoding != "thermometer"
        or (planes.ndim == 2 and planes.shape[0] == colours and 1 <= planes.shape[1] <= 255),
        "input.thresholds",
        f"shape {planes.shape} is not ({colours}, 1 to 255 levels)",
    )
    require(len(network.layers) >= 2, "layers", "a network is at least one conv3x3 and a head")
    require(isinstance(network.layers[-1], Head), "layers", "the last layer must be a head")
    if network.stem is not None:
        _check_stem(require, network.stem, network.image)
    for place, layer in enumerate(network.layers[:-1]):
        what = f"layer {place} ({layer.name})"
        require(not isinstance(layer, Head), what, "only the last layer may be a head")
        if isinstance(layer, Pooling):
            _check_residual(require, network, place, what)
            _check_pooling(require, network, place, what)
            continue
        _check_input(require, network, place, what)
        if isinstance(layer, Conv):
            _check_conv(require, place, layer, what)
        else:
            _check_pointwise(require, place, layer, what)
        _check_outputs(require, layer, what, str(place))
        _check_residual(require, network, place, what)
    _check_head(require, network)


def _check_input(require, network: Network, place: int, what: str) -> None:
    """The planes that a convolution reads are there, with its shape."""
    layer, source = network.layers[place], network.source(place)
    require(INPUT <= source < place, what, f"reads layer {source}, which does not come before it")
    producer = network.producer(source)
    given_bits = network.input_bits if source == INPUT else producer.out_bits
    named = "the input" if source == INPUT else f"layer {source}"
    require(given_bits > 0, what, f"reads {named}, which puts out no planes")
    require(layer.in_bits == given_bits, what, f"in_bits {layer.in_bits} is not {given_bits}")
    given = (layer.in_bits * layer.c_in, layer.height, layer.width)
    shape = producer.planes_shape
    before = "what comes before it" if source == place - 1 else f"what {named} puts out"
    require(given == shape, what, f"input shape {given} is not {before}: {shape}")


def _check_conv(require, place: int, conv: Conv, what: str) -> None:
    require(conv.tau in TAUS, what, f"tau {conv.tau} is not one of {TAUS}")
    padding = " or ".join(repr(name) for name in PADDINGS)
    require(conv.padding in PADDINGS, what, f"padding {conv.padding!r} is not {padding}")
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


def _check_pointwise(require, place: int, layer: Pointwise, what: str) -> None:
    bound = 1 << layer.weight_bits
    holds = int(layer.codes.min()) >= 0 and int(layer.codes.max()) < bound
    require(holds, f"{place}.codes", f"must lie from 0 to {bound - 1}")
    features = layer.c_in * layer.height * layer.width if layer.flatten else layer.c_in
    require(layer.codes.shape[1] == features, f"{place}.codes", f"must be for {features} inputs")
    require(not layer.flatten or layer.stride == 1, what, "a flattened map has stride 1")


def _check_pooling(require, network: Network, place: int, what: str) -> None:
    """Its stream, which `_check_residual` has found to be there, can be pooled."""
    layer = network.layers[place]
    require(layer.pool in STREAM_POOLS[1:], what, f"pool {layer.pool!r} is not max2 or avg2")
    given = network.producer(layer.of).stream.bits
    require(layer.bits == given, what, f"pools a stream of {given} bits, not {layer.bits}")
    _check_size(require, layer, what)
    _check_stream(require, layer, what, str(place))


def largest_sum(layer: Conv | Pointwise | Pooling) -> int:
    """What a layer's sums cannot exceed, either side of zero."""
    if isinstance(layer, Pooling):
        return 0
    features = layer.taps * (layer.c_in if isinstance(layer, Conv) else layer.codes.shape[1])
    return features * ((1 << layer.in_bits) - 1) * ((1 << layer.weight_bits) - 1)


def _check_outputs(require, layer: Conv | Pointwise, what: str, prefix: str) -> None:
    require(layer.stride in STRIDES, what, f"stride {layer.stride!r} is not one of {STRIDES}")
    pools = POOLS if layer.stream is None else STREAM_POOLS
    require(layer.pool in pools, what, f"pool {layer.pool!r} is not one of {', '.join(pools)}")
    if layer.pool != "none":
        _check_size(require, layer, what)
    if layer.stream is None:
        require(layer.out_bits == 1, what, f"out_bits {layer.out_bits} needs a stream")
        require(layer.step == 0, what, "a step needs a stream")
        largest = largest_sum(layer)
        low, high = -largest, largest + 1
        require(
            low <= int(layer.thresholds.min()) and int(layer.thresholds.max()) <= high,
            f"{prefix}.thresholds",
            f"must lie from {low} to {high}, what {layer.c_in} input channels can sum up to",
        )
        return
    _check_stream(require, layer, what, prefix)


def _check_size(require, layer: Conv | Pointwise | Pooling, what: str) -> None:
    _, height, width = layer.sums_shape
    require(min(height, width) >= 2, what, f"a {height}x{width} map cannot be pooled 2x2")


def _check_stream(
    require, layer: Conv | Pointwise | Pooling | Stem, what: str, prefix: str
) -> None:
    stream = layer.stream
    require(2 <= stream.bits <= MAX_STREAM_BITS, what, f"{stream.bits} bits are no stream's")
    require(0 <= stream.shift <= MAX_SHIFT, what, f"shift {stream.shift} is past {MAX_SHIFT}")
    require(0 <= layer.step < stream.bits, what, f"step {layer.step} is past the stream's bits")
    if layer.out_bits:
        bound = 1 << (stream.bits - 1)
        require(
            -bound <= int(layer.thresholds.min()) and int(layer.thresholds.max()) <= bound,
            f"{prefix}.thresholds",
            f"must lie from {-bound} to {bound}, what a stream of {stream.bits} bits can say",
        )


def _check_residual(require, network: Network, place: int, what: str) -> None:
    """The stream that is added is there, and has the sums' shape."""
    layer = network.layers[place]
    if layer.stream is None or layer.stream.residual is None:
        return
    added = layer.stream.residual
    verb = "pools" if isinstance(layer, Pooling) else "adds"
    require(
        INPUT <= added < place, what, f"{verb} the stream of {added}, not of a layer before it"
    )
    source = network.producer(added)
    given = getattr(source, "stream", None)
    named = "the input" if added == INPUT else f"layer {added}"
    require(given is not None, what, f"{verb} the stream of {named}, which has none")
    shape = source.out_shape
    require(shape == layer.sums_shape, what, f"{verb} a stream of {shape}, not {layer.sums_shape}")


def _check_stem(require, stem: Stem, image: tuple[int, int, int]) -> None:
    kernel = stem.weight.shape[2]
    require(kernel % 2 == 1, "stem", f"a kernel of {kernel} has no middle")
    require(stem.pool in STEM_POOLS, "stem", f"pool {stem.pool!r} is not one of none, max3")
    require(stem.stride in STRIDES, "stem", f"stride {stem.stride!r} is not one of {STRIDES}")
    require((stem.height, stem.width) == image[1:], "stem", "its map is not the image's")
    _check_stream(require, stem, "stem", "stem")


def _check_head(require, network: Network) -> None:
    head, last = network.head, network.layers[-2]
    what = f"layer {len(network.layers) - 1} ({head.name})"
    require(head.on in ("planes", "stream"), what, f"sums up {head.on!r}, not planes or a stream")
    given = (head.channels, head.height, head.width)
    shape = last.out_shape
    require(given == shape, what, f"input shape {given} is not the last layer's output {shape}")
    if head.on == "stream":
        require(last.stream is not None, what, "sums up a stream, and the last layer has none")
    else:
        require(last.out_bits == 1, what, f"sums up planes of one bit, not of {last.out_bits}")
