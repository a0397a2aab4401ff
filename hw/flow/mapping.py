"""Yosys commands that map a design to a family's cells, the same for units and whole boards."""

from pathlib import Path

__all__ = ["CARRY_IN", "mapping", "memory_mapping"]

# What open routers for 7-series get wrong without a word is not inferred: DSP48E1 and SRL. The
# exception are the multipliers of streams, below: a LUT for each of their bits would not fit, and
# where they are, `hw.flow.netlist_check` names the risk.
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

# Products of `hw.stream.multiplier` become DSP blocks, before `alumacc` makes sums of all others.
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


def mapping(family: str, top: str, *, ports: bool = True) -> str:
    """Commands for a design that has been read, to its flattened netlist.

    Parameters
    ----------
    family : "xc7" or "ecp5".
    top : the top module.
    ports : whether pins and clocks get their buffers (a unit measured on its own has none).
    """
    # Names such as "sums[0]" of a port "sums" make ABC give up without a word: they go first.
    products = _DSP[family].format(products=_PRODUCTS)
    reduce = f"hierarchy -top {top}; proc; {_REDUCE}; {products}; {_CARRIES}"
    clean = "flatten; opt_clean -purge"
    if family == "ecp5":
        return f"{reduce}; {clean}; synth_ecp5 -top {top}"
    xc7 = f"{_XC7} -top {top}" if ports else f"{_XC7} -noiopad -noclkbuf -top {top}"
    return "; ".join(
        [
            reduce,
            CARRY_IN,
            clean,
            f"{xc7} -run begin:map_luts",
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
