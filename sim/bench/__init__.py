"""How fast the simulation is: ``python -m sim.bench``."""
