"""From an exported network to an engine's program: descriptors and memory images.

Everything that the engine cannot do is refused here, before any long work, in one line that
names the layer, the limit and what would fit.

Thresholds become the values that sums start from, one for each place in a map: see `hw.starts`.
"""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np

from hw.array import array_timing
from hw.geometry import Geometry
from hw.head_plan import head_words, offset_words, units_needed
from hw.layout import row_tiles, rows_per_tile, tiles
from hw.params import DEFAULT_BUFFER, ArrayParameters, IndexPort
from hw.program import LayerPlan, MemoryImages, Program, Sizes, score_bits
from hw.schedule import Timing
from hw.starts import start_bits, start_values
from model import bits
from model.errors import UserError
from model.format import Conv, Network

__all__ = ["array_parameters", "compile_network", "hiding_fill"]

BANKS = 3


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
    port = _index_port(index_port, index_buffer)
    parameters = array_parameters(network, array, pixels, channels, fill)
    for conv in network.convs:
        _check_width(conv, pixels)
    timing = _timing(parameters)
    geometries = tuple(
        Geometry(width, pixels, stride)
        for width, stride in sorted({(conv.width, conv.stride) for conv in network.convs})
    )
    plans = _plans(network, parameters, timing, geometries)
    needed = _needed(network, plans, parameters)
    if port is not None:
        needed = replace(needed, index_words=0)
    if sizes is not None:
        _check_sizes(needed, sizes)
    sizes = sizes or needed
    units = _head_units(network, plans, timing)
    images = _images(network, parameters, sizes.sum_bits, units)
    return Program(network, parameters, timing, sizes, geometries, plans, images, units, port)


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
                in_base=places[number - 1] if number else 0,
                out_base=places[number],
                index_base=index_base,
                threshold_base=threshold_base,
                pass_cycles=timing.reading(reads).pass_cycles(conv.c_out),
                macs=conv.macs,
            )
        )
        index_base += groups * conv.c_out
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


def _head_units(network: Network, plans: tuple[LayerPlan, ...], timing: Timing) -> int:
    """The head's multipliers: enough to be done before the next image comes to its last layer."""
    others = (
        timing.reading(plan.reads).layer(plan.name, plan.passes, plan.c_out, plan.macs).cycles
        for plan in plans[:-1]
    )
    return units_needed(network.head.classes, network.head.channels, sum(others))


def _images(
    network: Network, parameters: ArrayParameters, sum_bits: int, units: int
) -> MemoryImages:
    head = network.head
    size = head.height * head.width
    weight = head.weight.astype(np.int64)
    # The engine counts +1 pixels: score = 2 * sum(w * count) + (bias - size * sum(w)).
    offsets = head.bias.astype(np.int64) - size * weight.sum(axis=1)
    return MemoryImages(
        indices=tuple(w for conv in network.convs for w in _index_words(conv, parameters)),
        thresholds=tuple(
            w for conv in network.convs for w in _thresholds(conv, parameters, sum_bits)
        ),
        codebooks=tuple(w for conv in network.convs for w in _codewords(conv, parameters)),
        head=head_words(weight, units),
        head_offsets=offset_words(offsets, units, score_bits(network)),
    )


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
) -> Sizes:
    pixels = parameters.pixels
    first = plans[0]
    return Sizes(
        activation_words=max(
            (
                plan.out_base + _bank_words(*conv.out_shape, pixels)
                for plan, conv in zip(plans[:-1], network.convs, strict=False)
            ),
            default=0,
        ),
        input_words=_bank_words(first.c_in, first.height, first.width, pixels),
        index_words=sum(plan.groups * plan.c_out for plan in plans),
        threshold_words=sum(plan.c_out for plan in plans),
        codewords=len(plans) * parameters.entries,
        head_words=network.head.channels * network.head.classes,
        partial_sums=max((p.c_out for p in plans if p.groups > 1), default=0),
        pool_words=max((p.c_out for p in plans if p.pool), default=0),
        sum_bits=start_bits(max(plan.c_in for plan in plans)),
    )


def _check_sizes(needed: Sizes, given: Sizes) -> None:
    for entry in fields(Sizes):
        want, have = getattr(needed, entry.name), getattr(given, entry.name)
        if want > have:
            raise UserError(
                f"the network needs {entry.name} {want}, the engine was built with {have}: build "
                "an engine for this network or train a smaller one"
            )
