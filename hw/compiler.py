"""From an exported network to an engine's program: descriptors and memory images.

Everything that the engine cannot do is refused here, before any long work, in one line that
names the layer, the limit and what would fit.

Thresholds become the values that sums start from, one for each place in a map: see `hw.starts`.
"""

from dataclasses import astuple, fields, replace

import numpy as np

from hw.array import array_timing
from hw.heads.counted_plan import head_words, offset_words, units_needed
from hw.heads.serial_plan import SerialPlan, is_counted, plan_serial
from hw.inputs.stem import level_words
from hw.maps.geometry import Geometry
from hw.maps.layout import row_tiles, tiles
from hw.maps.places import Places, bank_words, place_maps
from hw.params import DEFAULT_BUFFER, ArrayParameters, IndexPort
from hw.program import LayerPlan, MemoryImages, Program, Sizes, StreamPlan, score_bits
from hw.schedule import Timing
from hw.starts import odd_places, rotated, start_bits, start_values
from hw.stream.plane_queue import PlaneQueue
from hw.stream.shape import StreamShape, channel_words, cut_of, stream_shape
from hw.supported import check_supported
from hw.work import work_of
from model import bits
from model.errors import UserError
from model.format import Conv, Head, Network
from model.network import INPUT, Pointwise

__all__ = ["array_parameters", "compile_network", "hiding_fill"]

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
    memory on chip, with ``index_buffer`` index words kept behind it; see `hw.index.stream`.

    Raises UserError where the parameters are illegal or the network does not fit.
    """
    check_supported(network)
    port = _index_port(index_port, index_buffer)
    parameters = array_parameters(network, array, pixels, channels, fill)
    streams = stream_shape(network)
    timing = _timing(network, parameters, streams)
    geometries = tuple(sorted({_wiring(conv, pixels) for conv in network.convs}, key=astuple))
    places = place_maps(network, pixels)
    plans = _plans(network, parameters, timing, geometries, places, streams)
    needed = _needed(network, plans, parameters, places)
    if port is not None:
        needed = replace(needed, index_words=0)
    if sizes is not None:
        _check_sizes(needed, sizes)
    sizes = sizes or needed
    images = _images(network, parameters, sizes.sum_bits, streams)
    # What the head does goes on beside the next image's layers but the last.
    hidden = sum(plan.passes * plan.pass_cycles for plan in plans[:-1])
    units, serial_head = 0, None
    if is_counted(network.head):
        units = units_needed(network.head.classes, network.head.channels, hidden)
        images = _with_head(images, network, units)
    else:
        serial_head = plan_serial(network, pixels, hidden, streams)
        images = _with_serial_head(images, network.head, serial_head)
    return Program(
        network,
        parameters,
        timing,
        sizes,
        geometries,
        plans,
        images,
        units,
        port,
        stream_shape=streams,
        serial_head=serial_head,
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


def _timing(network: Network, parameters: ArrayParameters, streams: StreamShape | None) -> Timing:
    step = parameters.fill or parameters.channels
    queued = any(conv.out_bits > 1 for conv in network.convs)
    return Timing(
        array=array_timing(parameters),
        steps=parameters.steps or 1,
        step_channels=step,
        entries=parameters.entries if parameters.fill else 0,
        codebook=parameters.entries,
        stream=streams.latency if streams else 0,
        queue=PlaneQueue.latency if queued else 0,
    )


def _plans(
    network: Network,
    parameters: ArrayParameters,
    timing: Timing,
    geometries: tuple[Geometry, ...],
    places: Places,
    shape: StreamShape | None,
) -> tuple[LayerPlan, ...]:
    pixels, channels = parameters.pixels, parameters.channels
    last_from_input = max(
        n
        for n, conv in enumerate(network.convs)
        if network.source(n) == INPUT or (conv.stream and conv.stream.residual == INPUT)
    )
    plans = []
    index_base = threshold_base = stream_base = 0
    for number, conv in enumerate(network.convs):
        wiring = _wiring(conv, pixels)
        outputs = wiring.outputs
        rows = outputs.rows
        pool = conv.pool == "max2"
        work = work_of(conv, parameters)
        groups = -(-work.slots // channels)
        pointwise = isinstance(conv, Pointwise)
        planes = max(conv.in_bits, conv.weight_bits)
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
                in_base=places.planes.get(network.source(number), 0),
                out_base=places.planes.get(number, 0),
                index_base=index_base,
                threshold_base=threshold_base,
                pass_cycles=timing.reading(reads).pass_cycles(
                    conv.c_out, planes * groups, conv.out_bits
                ),
                macs=conv.macs,
                pointwise=pointwise,
                taps=work.taps,
                last_taps=work.last_taps,
                planes=planes,
                repeats=conv.in_bits,
                plane_words=conv.c_in if conv.in_bits > 1 else 0,
                ones=conv.padding == "plus",
                flatten=wiring.flat,
                out_bits=conv.out_bits,
                from_input=network.source(number) == INPUT,
                release=number == last_from_input,
                stored=number in places.planes,
                stream=_stream_plan(network, number, stream_base, places, parameters, shape),
            )
        )
        if conv.stream is not None:
            stream_base += conv.c_out
        index_base += plans[-1].index_words
        threshold_base += conv.c_out
    return tuple(plans)


def _stream_plan(
    network: Network,
    number: int,
    base: int,
    places: Places,
    parameters: ArrayParameters,
    shape: StreamShape | None,
) -> StreamPlan | None:
    layer = network.convs[number]
    stream = layer.stream
    if stream is None:
        return None
    return StreamPlan(
        shift=shape.shifts.index(stream.shift),
        width=shape.widths.index(stream.bits),
        cut=shape.cuts.index(cut_of(layer)) if layer.out_bits else 0,
        base=base,
        residual=places.streams.get(stream.residual),
        adds_input=stream.residual == INPUT,
        kept=places.streams.get(number),
        odd=odd_places(layer, parameters),
    )


def _images(
    network: Network, parameters: ArrayParameters, sum_bits: int, shape: StreamShape | None
) -> MemoryImages:
    return MemoryImages(
        indices=tuple(w for conv in network.convs for w in _index_words(conv, parameters)),
        thresholds=tuple(
            w for conv in network.convs for w in _thresholds(conv, parameters, sum_bits)
        ),
        codebooks=tuple(w for conv in network.convs for w in _codewords(conv, parameters)),
        head=(),
        head_offsets=(),
        streams=tuple(channel_words(network, shape)) if shape else (),
        stem=level_words(network.stem) if network.stem else (),
    )


def _with_head(images: MemoryImages, network: Network, units: int) -> MemoryImages:
    """The head's memories as `hw.heads.counted` reads them."""
    head = network.head
    weight = head.weight.astype(np.int64)
    # The engine counts +1 pixels: score = 2 * sum(w * count) + (bias - size * sum(w)).
    offsets = head.bias.astype(np.int64) - head.height * head.width * weight.sum(axis=1)
    return replace(
        images,
        head=head_words(weight, units),
        head_offsets=offset_words(offsets, units, score_bits(network)),
    )


def _with_serial_head(images: MemoryImages, head: Head, plan: SerialPlan) -> MemoryImages:
    """The head's memories as `hw.heads.serial` reads them."""
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
    places: Places,
) -> Sizes:
    pixels = parameters.pixels
    return Sizes(
        activation_words=places.plane_words,
        input_words=bank_words(*network.planes_shape, pixels),
        index_words=sum(plan.index_words for plan in plans),
        threshold_words=sum(plan.c_out for plan in plans),
        codewords=len(plans) * parameters.entries,
        head_words=network.head.weight.size,
        partial_sums=max((p.c_out for p in plans if p.planes * p.groups > 1), default=0),
        pool_words=max((p.c_out * p.out_columns for p in plans if p.pool), default=0),
        sum_bits=max(_sum_bits(conv) for conv in network.convs),
        stream_words=places.stream_words,
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
