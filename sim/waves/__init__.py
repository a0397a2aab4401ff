"""Waveforms on request: what is wanted of them, how both engines write it, a viewer's save file."""
