"""From an exported network to an engine's program: descriptors and memory images.

Everything that the engine cannot do is refused here, before any long work, in one line that
names the layer, the limit and what would fit.

Descriptors are made by `hw.layer_plans`, contents by `hw.memory_images`.
"""

from dataclasses import astuple, fields, replace

from hw.array import array_timing
from hw.engine_program import LayerPlan, Program, Sizes, score_bits
from hw.heads.counted_plan import units_needed
from hw.heads.serial_plan import is_counted, plan_serial
from hw.layer_plans import layer_plans, wiring_of
from hw.maps.places import Places, bank_words, place_maps
from hw.memory_images import memory_images, with_counted_head, with_serial_head
from hw.params import DEFAULT_BUFFER, ArrayParameters, IndexPort
from hw.schedule import Timing
from hw.stand_in import array_layers
from hw.starts import start_bits
from hw.stream.plane_queue import PlaneQueue
from hw.stream.shape import StreamShape, stream_shape
from hw.supported import check_supported
from hw.work import work_of
from model import bits
from model.errors import UserError
from model.format import Conv, Network
from model.network import Pointwise, Pooling

__all__ = ["array_parameters", "check_sizes", "compile_network", "hiding_fill", "needed_sizes"]

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
    geometries = tuple(sorted({wiring_of(conv, pixels) for conv in network.convs}, key=astuple))
    places = place_maps(network, pixels)
    plans = layer_plans(network, parameters, timing, geometries, places, streams)
    needed = needed_sizes(network, plans, parameters, places)
    if port is not None:
        needed = replace(needed, index_words=0)
    if sizes is not None:
        check_sizes(needed, sizes)
    sizes = sizes or needed
    images = memory_images(network, parameters, sizes.sum_bits, streams)
    # What the head does goes on beside the next image's layers but the last.
    hidden = sum(plan.passes * plan.pass_cycles for plan in plans[:-1])
    units, serial_head = 0, None
    if is_counted(network.head):
        units = units_needed(network.head.classes, network.head.channels, hidden)
        scores = score_bits(network.head)
        images = with_counted_head(images, network.head, units, network.head.channels, scores)
    else:
        serial_head = plan_serial(network, pixels, hidden, streams)
        images = with_serial_head(images, network.head, serial_head)
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
    convs = [conv for conv in network.convs if not isinstance(conv, Pooling)]
    work = [_applications(conv, parameters) for conv in convs]
    times = [
        max(conv.c_out, channels * parameters.tau if isinstance(conv, Pointwise) else 0)
        for conv in convs
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


def needed_sizes(
    network: Network,
    plans: tuple[LayerPlan, ...],
    parameters: ArrayParameters,
    places: Places,
) -> Sizes:
    """What a network's layers need of an engine."""
    pixels = parameters.pixels
    return Sizes(
        activation_words=places.plane_words,
        input_words=bank_words(*network.planes_shape, pixels),
        index_words=sum(plan.index_words for plan in plans),
        threshold_words=sum(plan.c_out for plan in plans),
        codewords=len(plans) * parameters.entries,
        head_words=network.head.weight.size,
        partial_sums=max((p.c_out for p in plans if p.planes * p.groups > 1), default=0),
        pool_words=max(
            (p.c_out * p.out_columns for p in plans if p.pool and not p.pools_stream), default=0
        ),
        sum_bits=max(_sum_bits(conv) for conv in array_layers(network, parameters)),
        stream_words=places.stream_words,
    )


def _sum_bits(layer: Conv | Pointwise) -> int:
    """Bits of a layer's sums."""
    features = layer.c_in if isinstance(layer, Conv) else layer.codes.shape[1]
    largest = ((1 << layer.in_bits) - 1) * ((1 << layer.weight_bits) - 1)
    return start_bits(features, layer.taps, largest)


def check_sizes(needed: Sizes, given: Sizes) -> None:
    """Raises UserError where an engine of these sizes is too small."""
    for entry in fields(Sizes):
        want, have = getattr(needed, entry.name), getattr(given, entry.name)
        if want > have:
            raise UserError(
                f"the network needs {entry.name} {want}, the engine was built with {have}: build "
                "an engine for this network or train a smaller one"
            )
