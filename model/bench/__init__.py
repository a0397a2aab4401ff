"""How fast and how small codebook search and training steps are; ``python -m model.bench``."""
