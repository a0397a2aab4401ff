"""A trained 1-bit network becomes sub-bit; ``python -m model.convert``."""
