"""Training loop, checkpoints, metrics and progress. `model.train` is the command."""
