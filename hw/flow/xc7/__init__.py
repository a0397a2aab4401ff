"""From a 7-series netlist to a bitstream: nextpnr for Xilinx and prjxray's tools, or Vivado."""
