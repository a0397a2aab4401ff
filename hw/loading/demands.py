"""What a network asks of a circuit that was made for another one: refused where that lacks it.

A circuit has the wiring that its own network asked for: ways between lanes, widths of counters,
multiplexer inputs. Anything beyond that is named here, in one line. Depths of memories are checked
by `hw.compiler.check_sizes`.
"""

from collections.abc import Iterator
from dataclasses import fields, replace

from hw.descriptor import descriptor_layout, descriptor_rows
from hw.engine_program import Program
from hw.heads.serial_plan import is_counted, plan_serial
from hw.layer_plans import wiring_of
from hw.stream.shape import StreamShape, stream_shape
from model.errors import UserError
from model.network import Conv, Network

__all__ = ["check_network", "check_plans"]


def _refuse(network: Network, what: str) -> None:
    raise UserError(
        f"{network.name} cannot be loaded into this engine: {what}; build an engine for it "
        "(python -m hw.build --loadable)"
    )


def check_network(network: Network, circuit: Program) -> None:
    """Raises UserError for a network of another input, head, or kinds of layers."""
    built = circuit.network
    parameters = circuit.parameters
    for what, has, wants in _inputs(network, built):
        if has != wants:
            _refuse(network, f"its {what} is {wants}, the engine's {has}")
    if network.stem or (network.input_thresholds != built.input_thresholds).any():
        _refuse(network, "the engine's encoder has other thresholds for the pixels, in its logic")
    for conv in network.convs:
        wiring = wiring_of(conv, parameters.pixels)
        if wiring not in circuit.geometries:
            widths = sorted({(g.width, g.stride) for g in circuit.geometries})
            _refuse(
                network,
                f"layer {conv.name} has a map {wiring.width} wide at stride {wiring.stride}, the "
                f"engine's lanes are wired for (width, stride) {', '.join(map(str, widths))}",
            )
        if isinstance(conv, Conv) and parameters.has_codebook:
            if conv.tau > parameters.tau:
                _refuse(
                    network,
                    f"layer {conv.name} has indices of {conv.tau} bits (tau), the engine's have "
                    f"{parameters.tau}",
                )
            if parameters.antipodal and not conv.antipodal:
                _refuse(
                    network,
                    f"layer {conv.name} has a codebook that is not antipodal, the engine holds "
                    "half of an antipodal one",
                )
    _check_head(network, circuit)
    _check_streams(network, circuit.stream_shape)


def _inputs(network: Network, built: Network) -> Iterator[tuple[str, object, object]]:
    """What must be the same: (what, the engine's, the network's)."""
    yield "image", built.image, network.image
    yield "encoding of pixels", built.encoding, network.encoding
    yield "number of planes", built.planes_shape[0], network.planes_shape[0]
    yield "number of classes", built.head.classes, network.head.classes
    sizes = [(net.head.height, net.head.width) for net in (built, network)]
    yield "last map", *sizes
    kinds = [f"on {net.head.on}{', flattened' * net.head.flatten}" for net in (built, network)]
    yield "head", *kinds


def _check_head(network: Network, circuit: Program) -> None:
    head, built = network.head, circuit.network.head
    fits = head.channels <= built.channels
    if circuit.serial_head:
        fits = head.channels == built.channels
    if is_counted(head) != (circuit.serial_head is None) or not fits:
        _refuse(
            network,
            f"its head takes {head.channels} channels, the engine's {built.channels}",
        )
    if circuit.serial_head:
        plan = circuit.serial_head
        own = plan_serial(network, circuit.parameters.pixels, 0, circuit.stream_shape)
        wanted = replace(own, parallel=plan.parallel).score_bits
    else:
        wanted = replace(circuit, network=network, circuit=None).score_bits
    if wanted > circuit.score_bits:
        _refuse(network, f"its scores take {wanted} bits, the engine's have {circuit.score_bits}")


def _check_streams(network: Network, has: StreamShape | None) -> None:
    wants = stream_shape(network)
    if wants is None:
        return
    if has is None:
        _refuse(network, "it has streams, the engine has none")
    for entry in fields(StreamShape):
        want, have = getattr(wants, entry.name), getattr(has, entry.name)
        fits = set(want) <= set(have) if isinstance(want, tuple) else want <= have
        if not fits:
            _refuse(network, f"its streams need {entry.name} {want}, the engine's have {have}")


def check_plans(program: Program, circuit: Program) -> None:
    """Raises UserError where a program, compiled for the circuit, asks for more than it has."""
    network, own = program.network, replace(program, circuit=None)
    for what, wants, has in _sets(own, circuit):
        if not wants <= has:
            more = ", ".join(map(str, sorted(wants - has)))
            _refuse(network, f"it needs {what} {more}, which the engine does not have")
    for what, wants, has in _counts(own, circuit):
        if wants > has:
            _refuse(network, f"it needs {what} {wants}, the engine has {has}")
    if circuit.chain and not own.chain:
        _refuse(network, "its layers are no chain, one behind the other, as the engine's are")
    if all(plan.stream for plan in circuit.plans) and not all(p.stream for p in own.plans):
        _refuse(network, "it has layers without a stream, the engine's all have one")
    layout = descriptor_layout(circuit)
    for plan, row in zip(program.plans, descriptor_rows(program), strict=True):
        for name, value in row.items():
            if value >> layout[name].width:
                _refuse(
                    network,
                    f"layer {plan.name} needs {value} for {name}, of which the engine's "
                    f"descriptors hold {layout[name].width} bits",
                )


def _sets(own: Program, circuit: Program) -> Iterator[tuple[str, frozenset, frozenset]]:
    """(what, those wanted, those there)."""
    yield "reads of a slot", own.reads, circuit.reads
    yield "reads of a channel", own.parts, circuit.parts
    for place, geometry in enumerate(circuit.geometries):
        pair = own.last_rows[place], circuit.last_rows[place]
        yield f"maps {geometry.width} wide whose last row in a tile is", *pair
    widths = [
        frozenset(p.geometries[plan.geometry].width for plan in p.plans if plan.pool)
        for p in (own, circuit)
    ]
    yield "pooling of maps of width", *widths


def _counts(own: Program, circuit: Program) -> Iterator[tuple[str, int, int]]:
    """(what, wanted, there)."""

    def most(what: str, of) -> tuple[str, int, int]:
        return what, *(max(int(of(plan)) for plan in p.plans) for p in (own, circuit))

    yield "layers", len(own.plans), len(circuit.plans)
    yield most("output channels", lambda plan: plan.c_out)
    yield most("output planes", lambda plan: plan.c_out * max(plan.out_bits, 1))
    yield most("tiles of a map", lambda plan: plan.out_tiles)
    yield most("tiles of a row of outputs", lambda plan: plan.out_columns)
    yield most("tiles of a pooled word", lambda plan: plan.slots)
    yield most("pooled maps wider than the lanes", lambda plan: plan.pool_cut)
    yield most("sums that are odd", lambda plan: bool(plan.stream and plan.stream.odd))
    for what, name in (
        ("tiles of a row", "columns"),
        ("layers of stride 2", "strided"),
        ("channels of a 1x1 convolution's bundle", "taps"),
        ("flattened maps", "flatten"),
        ("padding by ones", "ones"),
        ("bits of a number", "planes"),
        ("planes of a channel", "most_planes"),
    ):
        yield what, int(getattr(own, name)), int(getattr(circuit, name))
