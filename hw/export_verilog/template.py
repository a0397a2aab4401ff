"""How to put the module into a design: ports, and an instance to copy."""

from hw.engine_program import Program
from hw.export_verilog.wrapper import result_bits

__all__ = ["template"]


def template(program: Program, module: str) -> str:
    """Verilog of an instance, with what the ports mean."""
    colours, height, width = program.network.image
    top = result_bits(program.classes) - 1
    index = ""
    if program.index_port:
        index = (
            f",\n    // Index words, {program.index_port.bits} bits each, the whole sequence once "
            "an image.\n"
            "    .s_axis_index_tdata(index_tdata),\n"
            "    .s_axis_index_tvalid(index_tvalid),\n"
            "    .s_axis_index_tready(index_tready)"
        )
    return f"""// {module}: {program.network.name}, {colours} x {height} x {width} pixels, \
{program.classes} classes.
// All ports belong to aclk; aresetn is synchronous and active low. The .hex files of the module
// must lie where the tool looks for files that $readmemh names.
{module} engine (
    .aclk(aclk),
    .aresetn(aresetn),
    // Pixels: colours, then rows, then columns; images follow each other without a gap.
    .s_axis_tdata(pixel_tdata),     // [7:0]
    .s_axis_tvalid(pixel_tvalid),
    .s_axis_tready(pixel_tready),
    // Results: [15:0] class, [32 * k + 16 +: 32] score of class k, signed.
    .m_axis_tdata(result_tdata),    // [{top}:0]
    .m_axis_tvalid(result_tvalid),
    .m_axis_tready(result_tready){index}
);
"""
