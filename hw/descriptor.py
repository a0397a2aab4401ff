"""The layer descriptor as the hardware holds it: field widths, contents, and the register.

One row a layer, made from `hw.engine_program.LayerPlan`. A field is as wide as its largest value
asks for; lane masks are P bits and say which lanes lie in a map's first and last rows and columns.
"""

from amaranth.hdl import Array, Const, Signal
from amaranth.lib import data
from amaranth.utils import bits_for

from hw.engine_program import LayerPlan, Program
from hw.index.stream import resident
from hw.maps.geometry import lane_mask

__all__ = ["descriptor_layout", "descriptor_rows", "descriptor_words", "select_row"]


def _row(plan: LayerPlan, program: Program, last: bool) -> dict[str, int]:
    port = program.index_port
    outputs = program.geometries[plan.geometry].outputs
    # At stride 2 the last window of an even side ends at the border and has no masked tap there.
    below = plan.stride == 1 or plan.height % 2
    right = (plan.stride == 1 or plan.width % 2) and plan.right_tile < plan.columns
    in_columns = program.geometries[plan.geometry].row_tiles
    channels = program.parameters.channels
    entries = program.parameters.entries
    return {
        "last": int(last),
        "pool": int(plan.pool and not plan.pools_stream),
        "geometry": plan.geometry,
        "strided": int(plan.stride == 2),
        "twice": int(plan.parts == 2),
        "thrice": int(plan.parts == 3),
        "last_column": plan.columns - 1,
        "last_out_column": plan.out_columns - 1,
        "right_left_out": int(plan.right_tile >= plan.columns),
        "pool_cut": int(plan.pool_cut),
        "row_words": in_columns * plan.c_in,
        "first_place": program.geometries[plan.geometry].first_middle * plan.c_in,
        "c_in": plan.c_in,
        "last_group": plan.groups - 1,
        "last_channel": plan.c_out - 1,
        "end_tile": plan.tiles // plan.columns - 1,
        "last_channels": plan.last_channels,
        "bottom_tile": plan.last_tile,
        "last_slot": plan.slots - 1,
        "in_base": plan.in_base,
        "out_base": plan.out_base,
        "index_base": 0 if port else plan.index_base,
        "threshold_base": plan.threshold_base,
        "codebook_base": program.plans.index(plan) * entries,
        "pass_end": plan.pass_cycles - 1,
        "null_lanes": lane_mask(channels) ^ lane_mask(plan.last_channels),
        "first_rows": outputs.row_lanes(0),
        "last_rows": outputs.row_lanes(plan.last_row) if below else 0,
        "first_columns": outputs.first_column,
        "last_columns": outputs.last_column if right else 0,
        "last_row": plan.last_row,
        **(_port_fields(plan, program) if port else {}),
        **(_slot_fields(plan, program) if program.taps else {}),
        **(_plane_fields(plan) if program.planes > 1 else {}),
        **({"ones": int(plan.ones)} if program.ones else {}),
        **(_pixel_fields(plan, program) if program.flatten else {}),
        **({} if program.chain else _graph_fields(plan)),
        **(_stream_fields(plan, program) if program.stream_shape else {}),
    }


def _port_fields(plan: LayerPlan, program: Program) -> dict[str, int]:
    """For the index buffer; its tiles are passes' tiles, also where rows are cut, and a plane that
    takes the indices of the one before is one more. A silent layer wants no index words."""
    silent = {"silent": int(plan.stands_in)} if any(p.stands_in for p in program.wired) else {}
    resides = int(resident(program, plan))
    return {"resident": resides, "final_tile": plan.rounds - 1, **silent}


def _slot_fields(plan: LayerPlan, program: Program) -> dict[str, int]:
    """Where there are 1x1 convolutions: their bundles, and what then is not one of a few cases."""
    timing = program.timing.reading(plan.reads)
    return {
        "pointwise": int(plan.pointwise),
        "last_tap": plan.taps - 1,
        "last_taps": plan.last_taps,
        "step_reads": timing.step_reads,
        "step_end": timing.stride - 1,
        "prepare": timing.prepare,
        "load_wait": timing.load_wait,
    }


def _pixel_fields(plan: LayerPlan, program: Program) -> dict[str, int]:
    """Of a flattened map: the channels of a pixel and the pixels of a tile, less one."""
    return {
        "flatten": int(plan.flatten),
        "last_inner": plan.c_in // plan.repeats - 1,
        "last_pixel": program.geometries[plan.geometry].lanes - 1,
    }


def _plane_fields(plan: LayerPlan) -> dict[str, int]:
    return {
        "end_plane": plan.planes - 1,
        "plane_words": plan.plane_words,
        "repeats": int(plan.repeats > 1),
    }


def _graph_fields(plan: LayerPlan) -> dict[str, int]:
    return {
        "from_input": int(plan.from_input),
        "release": int(plan.release),
        "stored": int(plan.stored),
    }


def _stream_fields(plan: LayerPlan, program: Program) -> dict[str, int]:
    """For the streams; several planes a channel also change the end of a layer."""
    streams = [other.stream for other in program.wired]
    stream = plan.stream
    fields = {
        "streams": int(stream is not None),
        "puts_planes": int(plan.out_bits > 0),
        "stream": stream.base if stream else 0,
        "shift": stream.shift if stream else 0,
        "width": stream.width if stream else 0,
        "cut": stream.cut if stream else 0,
        "adds": int(plan.adds),
        "keeps": int(plan.keeps),
        "residual": (stream and stream.residual) or 0,
        "kept": (stream and stream.kept) or 0,
    }
    if program.keeps_input:
        fields["adds_input"] = int(stream is not None and stream.adds_input)
    if program.stream_shape.pools:
        fields["pools_stream"] = int(plan.pools_stream)
        fields["largest"] = int(stream is not None and stream.largest)
    if any(other.skip and other.stream for other in program.wired):
        fields["skip"] = plan.skip
    if any(other and other.odd for other in streams):
        fields["odd"] = stream.odd if stream else 0
    if program.most_planes > 1:
        fields["last_out_plane"] = max(plan.out_bits, 1) - 1
        fields["drain_end"] = program.timing.layer_drain(plan.c_out, plan.out_bits) - 1
    return fields


def descriptor_rows(program: Program) -> list[dict[str, int]]:
    """One dict of field values a layer."""
    last = len(program.plans) - 1
    return [_row(plan, program, place == last) for place, plan in enumerate(program.plans)]


def descriptor_layout(program: Program) -> data.StructLayout:
    """The register's layout: each field as wide as the largest value of the network that the
    circuit was made for; what says how a last group is filled, for whatever group is loaded."""
    rows = descriptor_rows(program.circuit or program)
    widths = {name: bits_for(max(row[name] for row in rows)) for name in rows[0]}
    if program.loadable:
        channels = program.parameters.channels
        widths |= {"last_channels": bits_for(channels), "null_lanes": channels}
    return data.StructLayout(widths)


def descriptor_words(program: Program) -> tuple[int, ...]:
    """A word a layer, as a memory holds the layout; fields must fit (`hw.loading.fit`)."""
    layout = descriptor_layout(program)
    return tuple(layout.const(row).as_value().value for row in descriptor_rows(program))


def select_row(descriptor: data.View, rows: list[dict[str, int]], layer: Signal) -> list:
    """Assignments that load the descriptor of ``layer``."""
    return [
        descriptor[name].eq(Array(Const(row[name], len(descriptor[name])) for row in rows)[layer])
        for name in rows[0]
    ]
