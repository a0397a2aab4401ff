"""Another network in an engine that was built for one: what fits, and the memories to be written.

The circuit is that of the network it was built for (`hw.engine_program.Program.circuit`). A network
that asks for nothing the circuit lacks is only contents for it: words of the memories, layer
descriptors among them.
"""
