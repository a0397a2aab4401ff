"""Kinds of codebooks: what decides which kernels a layer may use. Needs torch.

A file a kind, named as in `model.codebooks.KINDS`, with a class ``Rule`` that has what `Sampled`
of model/kinds/sampled.py has. It holds no state: parameters and buffers live on the codebook, so
that they are in the state dict. Each kind also comes closed under negation ("antipodal-" before
its name); then ``book.memory`` holds one of each pair.
"""

import importlib

from model.codebooks import KINDS
from model.errors import UserError

__all__ = ["rule_of"]


def rule_of(kind: str):
    """(rule, whether it is antipodal) of a kind's name; UserError for an unknown one."""
    if kind not in KINDS:
        raise UserError(f"codebook {kind!r} is not one of {', '.join(KINDS)}")
    antipodal = kind.startswith("antipodal")
    name = kind.removeprefix("antipodal").removeprefix("-") or "sampled"
    return importlib.import_module(f"model.kinds.{name}").Rule(), antipodal
