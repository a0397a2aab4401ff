"""Descriptors of the layers: shapes, passes, and where maps and contents lie."""

from hw.engine_program import LayerPlan, StreamPlan
from hw.maps.geometry import Geometry
from hw.maps.layout import row_tiles, tiles
from hw.maps.places import Places
from hw.params import ArrayParameters
from hw.schedule import Timing
from hw.stand_in import StandIn, array_layers
from hw.starts import odd_places
from hw.stream.shape import StreamShape, cut_of
from hw.work import work_of
from model.errors import UserError
from model.format import Conv, Network
from model.network import INPUT, Pointwise

__all__ = ["layer_plans", "wiring_of"]


def wiring_of(layer: Conv | Pointwise, pixels: int) -> Geometry:
    """The lanes' wiring for a layer; UserError where a flattened map is wider than the lanes."""
    flat = isinstance(layer, Pointwise) and layer.flatten
    if flat and layer.width > pixels:
        raise UserError(
            f"layer {layer.name}: its map is {layer.width} pixels wide and the engine has {pixels} "
            f"lanes, too few for flattening: use --pixels {layer.width} or more"
        )
    return Geometry(layer.width, pixels, layer.stride, flat)


def layer_plans(
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
    for number, conv in enumerate(array_layers(network, parameters)):
        wiring = wiring_of(conv, pixels)
        outputs = wiring.outputs
        rows = outputs.rows
        pool = conv.pool != "none"
        work = work_of(conv, parameters)
        groups = -(-work.slots // channels)
        pointwise, stands_in = isinstance(conv, Pointwise), isinstance(conv, StandIn)
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
                index_base=0 if stands_in else index_base,
                threshold_base=threshold_base,
                pass_cycles=timing.reading(reads).pass_cycles(
                    conv.c_out, planes * groups, conv.out_bits
                ),
                macs=network.convs[number].macs,
                stands_in=stands_in,
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
                stream=_stream_plan(conv, number, stream_base, places, parameters, shape),
            )
        )
        if conv.stream is not None:
            stream_base += conv.c_out
        index_base += plans[-1].index_words
        threshold_base += conv.c_out
    return tuple(plans)


def _stream_plan(
    layer: Conv | Pointwise,
    number: int,
    base: int,
    places: Places,
    parameters: ArrayParameters,
    shape: StreamShape | None,
) -> StreamPlan | None:
    stream = layer.stream
    if stream is None:
        return None
    stands_in = isinstance(layer, StandIn)
    return StreamPlan(
        # 0 shifted is 0, and odd or not, a sum that counts nothing is 0.
        shift=0 if stands_in else shape.shifts.index(stream.shift),
        width=shape.widths.index(stream.bits),
        cut=shape.cuts.index(cut_of(layer)) if layer.out_bits else 0,
        base=base,
        residual=places.streams.get(stream.residual),
        adds_input=stream.residual == INPUT,
        kept=places.streams.get(number),
        odd=0 if stands_in else odd_places(layer, parameters),
        largest=layer.pool == "max2",
    )
