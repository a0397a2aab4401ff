"""From an exported network to an engine's program: descriptors and memory images.

Everything that the engine cannot do is refused here, before any long work, in one line that
names the layer, the limit and what would fit.

Thresholds become the values that sums start from, one for each place in a map: see `hw.starts`.
"""

from dataclasses import astuple, fields, replace
from itertools import pairwise

import numpy as np

from hw.array import array_timing
from hw.geometry import Geometry
from hw.head_plan import HeadPlan, is_counted, plan_head
from hw.layout import row_tiles, rows_per_tile, tiles
from hw.params import DEFAULT_BUFFER, ArrayParameters, IndexPort
from hw.program import LayerPlan, MemoryImages, Program, Sizes
from hw.schedule import Timing
from hw.starts import rotated, start_bits, start_values
from hw.supported import check_supported
from hw.work import work_of
from model import bits
from model.errors import UserError
from model.format import Conv, Head, Network
from model.network import Pointwise

__all__ = ["array_parameters", "compile_network", "hiding_fill"]

BANKS = 3
DEFAULT_TAU = 5  # of a shared array for nothing but 1x1 convolutions


def compile_network(
    network: Network,
    *,
    array: str = "shared",
    pixels: int = 32,
    channels: int = 16,
    fill: int | None = None,
    sizes: Sizes | None = None,
    index_port: int | None = None,
    index_buffer: int | None = None,
) -> Program:
    """Compile a network for an engine of this shape.

    ``fill`` (dot9 units a lane for the response tables) is chosen by `hiding_fill` when None.
    ``sizes`` are those of a given engine; by default they are what the network needs.
    ``index_port`` has the indices come through a port of so many bits a cycle instead of from a
    memory on chip, with ``index_buffer`` index words kept behind it; see `hw.index_stream`.

    Raises UserError where the parameters are illegal or the network does not fit.
    """
    check_supported(network)
    port = _index_port(index_port, index_buffer)
    parameters = array_parameters(network, array, pixels, channels, fill)
    timing = _timing(parameters)
    geometries = tuple(sorted({_wiring(conv, pixels) for conv in network.convs}, key=astuple))
    plans = _plans(network, parameters, timing, geometries)
    needed = _needed(network, plans, parameters)
    if port is not None:
        needed = replace(needed, index_words=0)
    if sizes is not None:
        _check_sizes(needed, sizes)
    sizes = sizes or needed
    images = _images(network, parameters, sizes.sum_bits)
    serial_head = None
    if not is_counted(network.head):
        serial_head = plan_head(network, pixels, sum(p.passes * p.pass_cycles for p in plans[:-1]))
        images = _with_serial_head(images, network.head, serial_head)
    return Program(
        network, parameters, timing, sizes, geometries, plans, images, port, serial_head=serial_head
    )


def _wiring(layer: Conv | Pointwise, pixels: int) -> Geometry:
    flat = isinstance(layer, Pointwise) and layer.flatten
    if flat and layer.width > pixels:
        raise UserError(
            f"layer {layer.name}: its map is {layer.width} pixels wide and the engine has {pixels} "
            f"lanes, too few for flattening: use --pixels {layer.width} or more"
        )
    return Geometry(layer.width, pixels, layer.stride, flat)


def _index_port(bits: int | None, words: int | None) -> IndexPort | None:
    if bits is None:
        if words is not None:
            raise UserError("an index buffer belongs to an index port: give its bits too")
        return None
    try:
        return IndexPort(bits, DEFAULT_BUFFER if words is None else words)
    except ValueError as error:
        raise UserError(str(error)) from error


def array_parameters(
    network: Network, array: str, pixels: int, channels: int, fill: int | None
) -> ArrayParameters:
    """The array's parameters for this network: tau and antipodality follow from its codebooks."""
    kernels = [conv for conv in network.convs if isinstance(conv, Conv)]
    # 1x1 convolutions take what the others ask for: their codebook is made for the engine.
    plain = bits.TAPS if array == "direct" else DEFAULT_TAU
    tau = max((conv.tau for conv in kernels), default=plain)
    antipodal = all(conv.antipodal for conv in kernels) and tau != bits.TAPS
    try:
        # Check what the user gave before anything is derived from it.
        given = ArrayParameters("direct", pixels, channels, tau, antipodal)
        if array == "direct" and fill is None:
            return given
        if fill is None and array == "shared":
            if tau == bits.TAPS:
                raise ValueError(
                    f"layer {next(c.name for c in kernels if c.tau == tau)} has plain 1-bit "
                    "kernels without a codebook: use --array direct"
                )
            fill = hiding_fill(network, given)
        return ArrayParameters(array, pixels, channels, tau, antipodal, fill or 0)
    except ValueError as error:
        raise UserError(str(error)) from error


def hiding_fill(network: Network, parameters: ArrayParameters) -> int:
    """The fewest dot9 units a lane whose table filling hides behind most of the work.

    Filling takes ``channels / fill * entries`` cycles a pass. The chosen number hides it for
    layers that do at least nine tenths of the network's kernel applications; of a 1x1 convolution
    also behind the reading of its bundles.
    """
    channels, entries = parameters.channels, parameters.entries
    work = [_applications(conv, parameters) for conv in network.convs]
    times = [
        max(conv.c_out, channels * parameters.tau if isinstance(conv, Pointwise) else 0)
        for conv in network.convs
    ]
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    for fill in divisors:
        cycles = channels // fill * max(entries, fill)
        hidden = sum(n for n, time in zip(work, times, strict=True) if time >= cycles)
        if hidden >= 0.9 * sum(work):
            return fill
    return divisors[-1]


def _applications(layer: Conv | Pointwise, parameters: ArrayParameters) -> int:
    """Kernel applications of a layer in each of its planes, a bundle's for one."""
    _, height, width = layer.sums_shape
    planes = max(layer.in_bits, layer.weight_bits)
    return planes * work_of(layer, parameters).slots * layer.c_out * height * width


def _timing(parameters: ArrayParameters) -> Timing:
    step = parameters.fill or parameters.channels
    return Timing(
        array=array_timing(parameters),
        steps=parameters.steps or 1,
        step_channels=step,
        entries=parameters.entries if parameters.fill else 0,
        codebook=parameters.entries,
    )


def _plans(
    network: Network,
    parameters: ArrayParameters,
    timing: Timing,
    geometries: tuple[Geometry, ...],
) -> tuple[LayerPlan, ...]:
    pixels, channels = parameters.pixels, parameters.channels
    places = _place_maps(network, pixels)
    plans = []
    index_base = threshold_base = 0
    for number, conv in enumerate(network.convs):
        wiring = _wiring(conv, pixels)
        outputs = wiring.outputs
        rows = outputs.rows
        pool = conv.pool == "max2"
        work = work_of(conv, parameters)
        groups = -(-work.slots // channels)
        pointwise = isinstance(conv, Pointwise)
        _, height, _ = conv.sums_shape
        _, out_height, out_width = conv.out_shape
        # The second part of a word is not read where the map ends before it.
        reads = wiring.parts if height > wiring.rows else 1
        columns = outputs.pooled_tiles if pool else outputs.row_tiles
        # A tile of a cut row takes those beside it, each with a read of its own.
        if wiring.row_tiles > 1:
            reads = 1 if pointwise and conv.stride == 1 else 3
        reads *= work.taps
        plans.append(
            LayerPlan(
                name=conv.name,
                c_in=conv.in_bits * conv.c_in,
                c_out=conv.c_out,
                height=conv.height,
                width=conv.width,
                stride=conv.stride,
                pool=pool,
                geometry=geometries.index(wiring),
                reads=reads,
                columns=columns,
                tiles=-(-(2 * out_height if pool else height) // rows) * columns,
                groups=groups,
                last_channels=work.slots - (groups - 1) * channels,
                last_tile=(height - 1) // rows,
                last_row=(height - 1) % rows,
                right_tile=outputs.row_tiles - 1,
                slots=outputs.pooled_slots if pool else 1,
                out_height=out_height,
                out_width=out_width,
                out_tiles=tiles(out_height, out_width, pixels),
                out_columns=row_tiles(out_width, pixels),
                in_base=places[number - 1] if number else 0,
                out_base=places[number],
                index_base=index_base,
                threshold_base=threshold_base,
                pass_cycles=timing.reading(reads).pass_cycles(conv.c_out),
                macs=conv.macs,
                pointwise=pointwise,
                taps=work.taps,
                last_taps=work.last_taps,
                planes=max(conv.in_bits, conv.weight_bits),
                repeats=conv.in_bits,
                plane_words=conv.c_in if conv.in_bits > 1 else 0,
                ones=conv.padding == "plus",
                flatten=wiring.flat,
            )
        )
        index_base += plans[-1].index_words
        threshold_base += conv.c_out
    return tuple(plans)


def _bank_words(channels: int, height: int, width: int, pixels: int) -> int:
    """Words that a map takes in each bank: the tiles of row t of them lie in bank t % 3."""
    rows = -(-height // rows_per_tile(width, pixels))
    return -(-rows // BANKS) * row_tiles(width, pixels) * channels


def _place_maps(network: Network, pixels: int) -> list[int]:
    """Base of each layer's output: even ones from the bottom up, odd ones from the top down.

    A layer reads one map while it writes the next, so only neighbours must not overlap. The
    last layer's output goes to the head and takes no place.
    """
    words = [_bank_words(*conv.out_shape, pixels) for conv in network.convs[:-1]]
    depth = max((a + b for a, b in pairwise([*words, 0])), default=0)
    return [depth - n if place % 2 else 0 for place, n in enumerate(words)] + [0]


def _images(network: Network, parameters: ArrayParameters, sum_bits: int) -> MemoryImages:
    head = network.head
    size = head.height * head.width
    weight = head.weight.astype(np.int64)
    words = [
        sum((int(w) & 0xFF) << (8 * k) for k, w in enumerate(weight[:, channel]))
        for channel in range(head.channels)
    ]
    # The engine counts +1 pixels: score = 2 * sum(w * count) + (bias - size * sum(w)).
    offsets = head.bias.astype(np.int64) - size * weight.sum(axis=1)
    return MemoryImages(
        indices=tuple(w for conv in network.convs for w in _index_words(conv, parameters)),
        thresholds=tuple(
            w for conv in network.convs for w in _thresholds(conv, parameters, sum_bits)
        ),
        codebooks=tuple(w for conv in network.convs for w in _codewords(conv, parameters)),
        head=tuple(words),
        head_offsets=tuple(int(offset) for offset in offsets),
    )


def _with_serial_head(images: MemoryImages, head: Head, plan: HeadPlan) -> MemoryImages:
    """The head's memories as `hw.serial_head` reads them."""
    weights, offsets = plan.weight_words(head.weight), plan.offsets(head.weight, head.bias)
    return replace(images, head=weights, head_offsets=offsets)


def _index_words(layer: Conv | Pointwise, parameters: ArrayParameters) -> list[int]:
    """Index words in order of use: plane by plane of the weights, group by group, output channel
    by output channel."""
    channels, tau = parameters.channels, parameters.tau
    words = []
    for indices in work_of(layer, parameters).indices:
        for first in range(0, indices.shape[1], channels):
            for row in indices[:, first : first + channels].tolist():
                words.append(sum(index << (tau * lane) for lane, index in enumerate(row)))
    return words


def _codewords(layer: Conv | Pointwise, parameters: ArrayParameters) -> list[int]:
    """The codebook's kernel numbers, filled up to the engine's number of entries."""
    codewords = work_of(layer, parameters).codebook.tolist()
    return codewords + [0] * (parameters.entries - len(codewords))


def _thresholds(
    layer: Conv | Pointwise, parameters: ArrayParameters, sum_bits: int
) -> list[int]:
    """Threshold words: flip, and the starts of the places, from the lowest bit up."""
    planes = max(layer.in_bits, layer.weight_bits)
    words = []
    for flip, starts in zip(layer.flips, start_values(layer, parameters).tolist(), strict=True):
        places = (
            rotated(start, sum_bits, planes) << sum_bits * place
            for place, start in enumerate(starts)
        )
        words.append(int(flip) | sum(places) << 1)
    return words


def _needed(
    network: Network,
    plans: tuple[LayerPlan, ...],
    parameters: ArrayParameters,
) -> Sizes:
    pixels = parameters.pixels
    return Sizes(
        activation_words=max(
            (
                plan.out_base + _bank_words(*conv.out_shape, pixels)
                for plan, conv in zip(plans[:-1], network.convs, strict=False)
            ),
            default=0,
        ),
        input_words=_bank_words(*network.planes_shape, pixels),
        index_words=sum(plan.index_words for plan in plans),
        threshold_words=sum(plan.c_out for plan in plans),
        codewords=len(plans) * parameters.entries,
        head_words=network.head.weight.shape[1],
        partial_sums=max((p.c_out for p in plans if p.planes * p.groups > 1), default=0),
        pool_words=max((p.c_out * p.out_columns for p in plans if p.pool), default=0),
        sum_bits=max(_sum_bits(conv) for conv in network.convs),
    )


def _sum_bits(layer: Conv | Pointwise) -> int:
    """Bits of a layer's sums."""
    features = layer.c_in if isinstance(layer, Conv) else layer.codes.shape[1]
    largest = ((1 << layer.in_bits) - 1) * ((1 << layer.weight_bits) - 1)
    return start_bits(features, layer.taps, largest)


def _check_sizes(needed: Sizes, given: Sizes) -> None:
    for entry in fields(Sizes):
        want, have = getattr(needed, entry.name), getattr(given, entry.name)
        if want > have:
            raise UserError(
                f"the network needs {entry.name} {want}, the engine was built with {have}: build "
                "an engine for this network or train a smaller one"
            )
