"""Cycle-accurate simulation of the accelerator against the golden model."""
