"""A row of the table: a binary and a sub-bit measurement of the same layers, side by side."""

from dataclasses import asdict

from sim.speedup.measure import Measured

__all__ = ["row"]


def row(basis: str, binary: Measured, subbit: Measured, **more: object) -> dict:
    """The row as plain values; ``more`` are entries of the basis' own.

    ``speedup`` is the ratio of the cycles. ``speedup_one_lane`` leaves out the cycles of lanes
    without a pixel, on both sides: what an element gives that goes through the map position by
    position. ``..._useful`` are shares of the cycles with an index word, ``..._inside`` shares of
    those within passes.
    ``simulated_layers`` were simulated whole; the others on maps cut to ``cut_rows`` rows.
    """
    layers = [
        {
            "name": fast.name,
            "c_in": fast.c_in,
            "c_out": fast.c_out,
            "height": fast.height,
            "width": fast.width,
            "binary_cycles": slow.cycles,
            "subbit_cycles": fast.cycles,
            "speedup": round(slow.cycles / fast.cycles, 4),
            "binary_useful": round(slow.useful / slow.cycles, 4),
            "subbit_useful": round(fast.useful / fast.cycles, 4),
            "simulated": slow.simulated and fast.simulated,
        }
        for slow, fast in zip(binary.layers, subbit.layers, strict=True)
    ]
    return {
        "basis": basis,
        "array": subbit.parameters.array,
        "parameters": {
            "binary": asdict(binary.parameters),
            "subbit": asdict(subbit.parameters),
        },
        "binary_cycles": binary.cycles,
        "subbit_cycles": subbit.cycles,
        "speedup": round(binary.cycles / subbit.cycles, 4),
        "speedup_one_lane": round(binary.lane_cycles / subbit.lane_cycles, 4),
        "lut_binary": None,
        "lut_subbit": None,
        "binary_useful": round(binary.useful, 4),
        "subbit_useful": round(subbit.useful, 4),
        "binary_inside": round(binary.inside, 6),
        "subbit_inside": round(subbit.inside, 6),
        "simulated_layers": [layer["name"] for layer in layers if layer["simulated"]],
        "cut_rows": {"binary": binary.rows, "subbit": subbit.rows},
        "values_compared": binary.values + subbit.values,
        **more,
        "layers": layers,
    }
