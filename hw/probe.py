"""Observation of a running engine: outputs that nothing in the design depends on.

A simulation samples them each cycle; in a build nothing is connected and synthesis removes them.
"""

from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.utils import bits_for

from hw.engine_program import Program
from hw.maps.layout import tiles
from hw.sequencer import Phase

__all__ = ["probe_signature"]


def probe_signature(program: Program) -> wiring.Signature:
    """The probe's members.

    plane_* : a word of planes is written to the input memory.
    write_* : a word of a layer's output, in the output map's tile geometry.
    layer, phase : the layer being executed and what the cycle counts as.
    head_busy : a result is being completed after the last layer.
    stream_* : a word of the running layer's stream, lane by lane, whether it is kept or not; only
        in a network with streams.
    """
    plans = program.wired
    pixels = program.parameters.pixels
    most = max(max(plan.tiles, plan.out_tiles, plan.last_tile + 1) for plan in plans)
    planes, *input_size = program.network.planes_shape
    most = max(most, tiles(*input_size, pixels))
    channels = max(planes, *(plan.c_out * max(plan.out_bits, 1) for plan in plans))
    streams, shape = {}, program.stream_shape
    if shape:
        streams = {
            "stream_valid": Out(1),
            "stream_tile": Out(bits_for(most)),
            "stream_channel": Out(bits_for(channels)),
            "stream_data": Out(pixels * shape.value),
        }
    return wiring.Signature(
        {
            "plane_valid": Out(1),
            "plane_tile": Out(bits_for(most)),
            "plane_channel": Out(bits_for(channels)),
            "plane_data": Out(pixels),
            "write_valid": Out(1),
            "write_layer": Out(bits_for(len(plans))),
            "write_tile": Out(bits_for(most)),
            "write_channel": Out(bits_for(channels)),
            "write_data": Out(pixels),
            "layer": Out(bits_for(len(plans))),
            "phase": Out(Phase),
            "head_busy": Out(1),
            **streams,
        }
    )
