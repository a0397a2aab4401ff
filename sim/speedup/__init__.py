"""What sub-bit weights give over plain 1-bit weights on the same engine: ``python -m sim.speedup``.

=============  ======================================================================
module         idea
=============  ======================================================================
`weights`      plain kernels, or which codebooks
`published`    the published element in closed form, and the published figures
`measure`      cycles of a network's layers on an array, from simulation
`rows`         a binary and a sub-bit measurement side by side: a row of the table
`dot9`         basis: equal numbers of dot9 units
`search`       the array with the fewest cycles in a budget of LUTs
`synthesis`    LUTs of a network's engine, by Yosys, kept
`luts`         basis: equal numbers of LUTs
`bases`        the bases by name; a new one is a module and a line there
`report`       report.json
`text`         report.md and the terminal's table
`chart`        report.png
=============  ======================================================================
"""
