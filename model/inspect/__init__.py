"""Pictures of what a network has learnt; ``python -m model.inspect``."""
