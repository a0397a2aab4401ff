"""Compiled simulation: the same RTL, translated by Verilator and a C++ compiler."""
