"""Yosys commands that map a design to a family's cells, the same for units and whole boards."""

from collections.abc import Collection
from pathlib import Path

from hw.flow.xc7.risks import Risk

__all__ = ["CARRY_IN", "mapping", "memory_mapping"]

# What open routers for 7-series get wrong without a word is not inferred: DSP48E1 and SRL. The
# exception are the multipliers of streams, below; for a build that goes on with such a router they
# are LUTs too (`avoid`), and `hw.flow.netlist_check` names what is left.
_XC7 = "synth_xilinx -flatten -arch xc7 -nosrl -nodsp"

# Yosys' own costs of LUTs with one to six inputs (1, 2, 3, 3, 3, 5) hope that two small ones will
# share a LUT6. They tear a compressor of six inputs into LUT5 and LUT2 and take a quarter more LUTs
# for an array. Here a LUT is a LUT.
_LUT_COSTS = "1,1,1,1,1,1"

# Of a sum's operands, Yosys takes the one that it met first as the carry chain's plain one, and a
# complement on demand (`hw.array.tree`) costs nothing on the other. Flattening turns the order in
# which names are met around, so sums become carry chains before it.
_REDUCE = "opt_expr; opt_clean; wreduce"
_CARRIES = "alumacc"

# Sums of two numbers and a carry (`hw.array.tree`); a chain of an ECP5 takes them as they are.
CARRY_IN = f"techmap -map {Path(__file__).with_name('carry_in.v')}"

# Products of `hw.stream.multiplier` become DSP blocks, before `alumacc` makes sums of all others;
# of a family that is not here LUTs.
_DSP = {
    "xc7": (
        "techmap -map +/mul2dsp.v -map +/xilinx/xc7_dsp_map.v -D DSP_A_MAXWIDTH=25 "
        "-D DSP_A_MAXWIDTH_PARTIAL=18 -D DSP_B_MAXWIDTH=18 -D DSP_A_MINWIDTH=2 "
        "-D DSP_B_MINWIDTH=2 -D DSP_NAME=$__MUL25X18 {products}; "
        "xilinx_dsp -family xc7; chtype -set $mul t:$__soft_mul"
    ),
    "ecp5": (
        "techmap -map +/mul2dsp.v -map +/lattice/dsp_map_18x18.v -D DSP_A_MAXWIDTH=18 "
        "-D DSP_B_MAXWIDTH=18 -D DSP_A_MINWIDTH=2 -D DSP_B_MINWIDTH=2 "
        "-D DSP_NAME=$__MUL18X18 {products}; chtype -set $mul t:$__soft_mul"
    ),
}
_PRODUCTS = "*multiply*/t:$mul"
_SOFT = f"techmap -map {Path(__file__).with_name('mul_lut.v')} {_PRODUCTS}"

# Memories, where some widths of block RAM are to be avoided. 36 bits a port are wrong in the very
# versions in which 72 are.
_BRAMS = Path(__file__).with_name("brams_half.txt")
_HALVES = f"memory_libmap -lib +/xilinx/lutrams_xc5v.txt -lib {_BRAMS}"


def mapping(
    family: str, top: str, *, ports: bool = True, avoid: Collection[Risk] = frozenset()
) -> str:
    """Commands for a design that has been read, to its flattened netlist.

    Parameters
    ----------
    family : one of `hw.flow.resources.FAMILIES`.
    top : the top module.
    ports : whether pins and clocks get their buffers (a unit measured on its own has none).
    avoid : what the router gets wrong (xc7); it is made of other cells.
    """
    # Names such as "sums[0]" of a port "sums" make ABC give up without a word: they go first.
    products = f"{_DSP[family].format(products=_PRODUCTS)}; " if family in _DSP else ""
    if Risk.DSP in avoid:
        products = f"{_SOFT}; "
    reduce = f"hierarchy -top {top}; proc; {_REDUCE}; {products}{_CARRIES}"
    clean = "flatten; opt_clean -purge"
    if family == "ice40":
        return f"{reduce}; {clean}; synth_ice40 -device u -top {top}"
    if family == "gatemate":
        return f"{reduce}; {clean}; synth_gatemate -luttree -nomult -nomx8 -top {top}"
    if family == "gowin":
        return f"{reduce}; {clean}; synth_gowin -family gw1n -nodsp -top {top}"
    if family == "ecp5":
        return f"{reduce}; {clean}; synth_ecp5 -top {top}"
    xc7 = f"{_XC7} -top {top}" if ports else f"{_XC7} -noiopad -noclkbuf -top {top}"
    memories = [f"{xc7} -run begin:map_luts"]
    if {Risk.ODD, Risk.WIDE} & set(avoid):
        wide = [] if Risk.WIDE in avoid else ["-D WIDE"]
        memories = [
            f"{xc7} -run begin:map_memory",
            " ".join([_HALVES, *wide]),
            f"{xc7} -run map_memory:map_luts",
        ]
    return "; ".join(
        [
            reduce,
            *([] if Risk.CARRY in avoid else [CARRY_IN]),
            clean,
            *memories,
            "opt_expr -mux_undef -noclkinv",
            f"abc9 -luts {_LUT_COSTS}",
            "clean",
            "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
            "xilinx_dffopt",
            "opt_lut_ins -tech xilinx",
            f"{xc7} -run finalize:",
            "delete t:$scopeinfo",
        ]
    )


def memory_mapping(family: str, top: str) -> str:
    """The same as far as memories have become cells, in a small part of the time: the rest of the
    design is still made of Yosys' own cells."""
    xc7 = f"{_XC7} -noiopad -noclkbuf"
    synth = {"xc7": xc7, "ecp5": "synth_ecp5"}[family]
    return (
        f"hierarchy -top {top}; proc; {_REDUCE}; {_CARRIES}; flatten; opt_clean -purge; "
        f"{synth} -top {top} -run begin:map_ffs"
    )
