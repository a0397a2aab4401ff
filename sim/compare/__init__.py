"""Reports of simulations side by side: ``python -m sim.compare``; see `sim.compare.__main__`."""
