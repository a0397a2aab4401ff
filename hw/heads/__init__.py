"""Heads: what makes scores and a class of the last map."""
