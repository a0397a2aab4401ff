"""What the training log keeps of codebooks that are learnt."""

from torch import nn

from model import bits
from model.learnt import Codebook

__all__ = ["codebooks_entry"]


def codebooks_entry(net: nn.Module) -> dict[str, dict[str, list[int]]]:
    """{"codebooks": {layer: kernel numbers}} of the learnt codebooks as they are now; empty, and so
    adding nothing to an epoch's line, where none is learnt.

    A row keeps its place. Of an antipodal codebook these are the rows held, not their negations.
    """
    books = {
        path.removesuffix(".codebook"): bits.kernel_numbers(module.memory.cpu().numpy()).tolist()
        for path, module in net.named_modules()
        if isinstance(module, Codebook) and module.rule.learnt
    }
    return {"codebooks": books} if books else {}
