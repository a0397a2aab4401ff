"""From an exported network to an engine's program: descriptors and memory images.

Everything that the engine cannot do is refused here, before any long work, in one line that
names the layer, the limit and what would fit.

Thresholds become the values that sums start from, one for each place in a map: see `hw.starts`.
"""

from dataclasses import fields, replace

import numpy as np

from hw.array import array_timing
from hw.geometry import Geometry
from hw.head_plan import HeadPlan, is_counted, plan_head
from hw.layout import row_tiles, tiles
from hw.params import DEFAULT_BUFFER, ArrayParameters, IndexPort
from hw.places import Places, bank_words, place_maps
from hw.plane_queue import PlaneQueue
from hw.program import LayerPlan, MemoryImages, Program, Sizes, StreamPlan
from hw.schedule import Timing
from hw.starts import odd_places, start_bits, start_values
from hw.stem_input import level_words
from hw.stream_shape import StreamShape, channel_words, cut_of, stream_shape
from hw.supported import check_supported
from model import bits
from model.errors import UserError
from model.format import Conv, Head, Network
from model.network import INPUT

__all__ = ["array_parameters", "compile_network", "hiding_fill"]


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
    for conv in network.convs:
        _check_width(conv, pixels)
    streams = stream_shape(network)
    timing = _timing(network, parameters, streams)
    geometries = tuple(
        Geometry(width, pixels, stride)
        for width, stride in sorted({(conv.width, conv.stride) for conv in network.convs})
    )
    places = place_maps(network, pixels)
    plans = _plans(network, parameters, timing, geometries, places, streams)
    needed = _needed(network, plans, parameters, places)
    if port is not None:
        needed = replace(needed, index_words=0)
    if sizes is not None:
        _check_sizes(needed, sizes)
    sizes = sizes or needed
    images = _images(network, parameters, sizes.sum_bits, streams)
    serial_head = None
    if not is_counted(network.head):
        hidden = sum(plan.passes * plan.pass_cycles for plan in plans[:-1])
        serial_head = plan_head(network, pixels, hidden, streams)
        images = _with_serial_head(images, network.head, serial_head)
    return Program(
        network,
        parameters,
        timing,
        sizes,
        geometries,
        plans,
        images,
        port,
        stream_shape=streams,
        serial_head=serial_head,
    )


def _index_port(bits: int | None, words: int | None) -> IndexPort | None:
    if bits is None:
        if words is not None:
            raise UserError("an index buffer belongs to an index port: give its bits too")
        return None
    try:
        return IndexPort(bits, DEFAULT_BUFFER if words is None else words)
    except ValueError as error:
        raise UserError(str(error)) from error


def _check_width(conv: Conv, pixels: int) -> None:
    """A map wider than the lanes must be halved into one that is not, or not at all."""
    if conv.width <= pixels:
        return
    what, enough = None, conv.width
    if conv.stride == 2:
        what = "a stride of 2"
    elif conv.pool == "max2" and (pixels == 1 or conv.width // 2 > pixels):
        what, enough = "pooling", max(conv.width // 2, 2)
    if what:
        raise UserError(
            f"layer {conv.name}: its map is {conv.width} pixels wide and the engine has {pixels} "
            f"lanes, too few for {what}: use --pixels {enough} or more"
        )


def array_parameters(
    network: Network, array: str, pixels: int, channels: int, fill: int | None
) -> ArrayParameters:
    """The array's parameters for this network: tau and antipodality follow from its codebooks."""
    tau = max(conv.tau for conv in network.convs)
    antipodal = all(conv.antipodal for conv in network.convs)
    try:
        # Check what the user gave before anything is derived from it.
        given = ArrayParameters("direct", pixels, channels, tau, antipodal)
        if array == "direct" and fill is None:
            return given
        if fill is None and array == "shared":
            if tau == bits.TAPS:
                raise ValueError(
                    f"layer {next(c.name for c in network.convs if c.tau == tau)} has plain 1-bit "
                    "kernels without a codebook: use --array direct"
                )
            fill = hiding_fill(network, channels, given.entries)
        return ArrayParameters(array, pixels, channels, tau, antipodal, fill or 0)
    except ValueError as error:
        raise UserError(str(error)) from error


def hiding_fill(network: Network, channels: int, entries: int) -> int:
    """The fewest dot9 units a lane whose table filling hides behind most of the work.

    Filling takes ``channels / fill * entries`` cycles a pass. The chosen number hides it for
    layers that do at least nine tenths of the network's kernel applications.
    """
    total = sum(conv.macs for conv in network.convs)
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    for fill in divisors:
        cycles = channels // fill * max(entries, fill)
        hidden = sum(conv.macs for conv in network.convs if conv.c_out >= cycles)
        if hidden >= 0.9 * total:
            return fill
    return divisors[-1]


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
        wiring = Geometry(conv.width, pixels, conv.stride)
        outputs = wiring.outputs
        rows = outputs.rows
        pool = conv.pool == "max2"
        groups = -(-conv.c_in // channels)
        _, height, _ = conv.sums_shape
        _, out_height, out_width = conv.out_shape
        # The second part of a word is not read where the map ends before it.
        reads = wiring.parts if height > wiring.rows else 1
        columns = wiring.row_tiles
        # A tile of a cut row takes its neighbours' nearest columns, each with a read of its own.
        reads = 3 if columns > 1 else reads
        plans.append(
            LayerPlan(
                name=conv.name,
                c_in=conv.c_in,
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
                last_channels=conv.c_in - (groups - 1) * channels,
                last_tile=(height - 1) // rows,
                last_row=(height - 1) % rows,
                slots=outputs.pooled_slots if pool else 1,
                out_height=out_height,
                out_width=out_width,
                out_tiles=tiles(out_height, out_width, pixels),
                out_columns=row_tiles(out_width, pixels),
                in_base=places.planes.get(network.source(number), 0),
                out_base=places.planes.get(number, 0),
                index_base=index_base,
                threshold_base=threshold_base,
                pass_cycles=timing.reading(reads).pass_cycles(conv.c_out, groups, conv.out_bits),
                macs=conv.macs,
                out_bits=conv.out_bits,
                from_input=network.source(number) == INPUT,
                release=number == last_from_input,
                stored=number in places.planes,
                stream=_stream_plan(network, number, stream_base, places, shape),
            )
        )
        if conv.stream is not None:
            stream_base += conv.c_out
        index_base += groups * conv.c_out
        threshold_base += conv.c_out
    return tuple(plans)


def _stream_plan(
    network: Network, number: int, base: int, places: Places, shape: StreamShape | None
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
        odd=odd_places(layer),
    )


def _images(
    network: Network, parameters: ArrayParameters, sum_bits: int, shape: StreamShape | None
) -> MemoryImages:
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
        streams=tuple(channel_words(network, shape)) if shape else (),
        stem=level_words(network.stem) if network.stem else (),
    )


def _with_serial_head(images: MemoryImages, head: Head, plan: HeadPlan) -> MemoryImages:
    """The head's memories as `hw.serial_head` reads them."""
    weights, offsets = plan.weight_words(head.weight), plan.offsets(head.weight, head.bias)
    return replace(images, head=weights, head_offsets=offsets)


def _engine_indices(conv: Conv, parameters: ArrayParameters) -> np.ndarray:
    """Indices as the engine reads them, int64 [c_out, c_in]."""
    if parameters.tau == bits.TAPS:
        return conv.kernels.astype(np.int64)
    indices = conv.indices.astype(np.int64)
    if parameters.antipodal:
        # The sign is the engine's top index bit, also for a layer with a smaller codebook.
        half = 1 << (conv.tau - 1)
        return (indices % half) | (indices // half) << (parameters.tau - 1)
    return indices


def _index_words(conv: Conv, parameters: ArrayParameters) -> list[int]:
    """Index words in order of use: group by group, output channel by output channel."""
    channels, tau = parameters.channels, parameters.tau
    indices = _engine_indices(conv, parameters)
    words = []
    for first in range(0, conv.c_in, channels):
        for row in indices[:, first : first + channels].tolist():
            words.append(sum(index << (tau * lane) for lane, index in enumerate(row)))
    return words


def _codewords(conv: Conv, parameters: ArrayParameters) -> list[int]:
    """The codebook's kernel numbers, filled up to the engine's number of entries."""
    if not parameters.has_codebook:
        return []
    count = len(conv.codebook) // 2 if parameters.antipodal else len(conv.codebook)
    codewords = conv.codebook[:count].tolist()
    return codewords + [0] * (parameters.entries - count)


def _thresholds(conv: Conv, parameters: ArrayParameters, sum_bits: int) -> list[int]:
    """Threshold words: flip, and the starts of the places, from the lowest bit up."""
    mask = (1 << sum_bits) - 1
    words = []
    for flip, starts in zip(conv.flips, start_values(conv, parameters).tolist(), strict=True):
        places = ((start & mask) << sum_bits * place for place, start in enumerate(starts))
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
        index_words=sum(plan.groups * plan.c_out for plan in plans),
        threshold_words=sum(plan.c_out for plan in plans),
        codewords=len(plans) * parameters.entries,
        head_words=network.head.weight.shape[1],
        partial_sums=max((p.c_out for p in plans if p.groups > 1), default=0),
        pool_words=max((p.c_out for p in plans if p.pool), default=0),
        sum_bits=start_bits(max(plan.c_in for plan in plans)),
        stream_words=places.stream_words,
    )


def _check_sizes(needed: Sizes, given: Sizes) -> None:
    for entry in fields(Sizes):
        want, have = getattr(needed, entry.name), getattr(given, entry.name)
        if want > have:
            raise UserError(
                f"the network needs {entry.name} {want}, the engine was built with {have}: build "
                "an engine for this network or train a smaller one"
            )
