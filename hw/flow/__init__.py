"""From an engine to a netlist or a bitstream: sizing, tools, resources, timing, reports."""
