"""Where a run computes: a CPU, or a GPU of its own for each process."""

from model.errors import UserError
from model.training.distributed import Ranks

__all__ = ["DEVICES", "choose"]

DEVICES = ("auto", "cpu", "cuda")


def choose(wanted: str, ranks: Ranks) -> str:
    """The name of a torch device: "cpu", or "cuda:N" for process N of this machine.

    "auto" is a GPU where torch sees one. Raises UserError where there is none, or too few.
    """
    import torch

    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise UserError(
            "--device cuda: torch finds no GPU here: use --device cpu, or install a driver and a "
            "torch that is built for CUDA"
        )
    count = torch.cuda.device_count()
    if ranks.local >= count:
        raise UserError(
            f"{ranks.here} processes on a machine with {count} GPUs: start at most {count} "
            "(torchrun --nproc-per-node), or use --device cpu"
        )
    torch.cuda.set_device(ranks.local)
    return f"cuda:{ranks.local}"
