"""The processes of a run that train together, as ``torchrun`` starts them; or one alone.

What a step computes is that of one process with the same global batch: each process takes its part
of the batch, batch norms see all of it (`model.training.norms`), and gradients are averaged by
torch's DistributedDataParallel. So weights, codebooks and optimisers stay equal everywhere, and
`Ranks.check_equal` proves it once an epoch. torch is imported when processes connect, not before.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import timedelta

from model.errors import CheckError, UserError

__all__ = ["ALONE", "Ranks", "Unseen"]

# How long a collective operation may take: one process may be decoding files, or writing them.
TIMEOUT = timedelta(minutes=30)


class Ranks:
    """Process ``number`` of ``count``, ``local`` of those on this machine."""

    def __init__(self, number: int = 0, count: int = 1, local: int = 0, here: int = 1):
        self.number, self.count, self.local, self.here = number, count, local, here
        self._store = None

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.number == 0

    @property
    def launcher(self) -> list[str]:
        """The words of a command that start a module in as many processes."""
        if self.count == 1:
            return ["python"]
        machines = ["--nnodes", str(self.count // self.here)] if self.count > self.here else []
        return ["torchrun", *machines, "--nproc-per-node", str(self.here)]

    def say(self, *text: str) -> None:
        """Print, in the first process only."""
        if self.first:
            print(*text, flush=True)

    @contextlib.contextmanager
    def one_voice(self) -> Iterator[None]:
        """Around work that ends alike everywhere: only the first process shows what it prints."""
        if self.first:
            yield
            return
        with (
            open(os.devnull, "w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            yield

    def connect(self, device: str) -> None:
        """Meet the other processes; ``device`` ("cpu" or "cuda...") is what gradients lie on.

        Raises UserError where they cannot be reached.
        """
        if self.count == 1:
            return
        from torch import distributed

        backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
        try:
            store, number, count = next(distributed.rendezvous("env://", timeout=TIMEOUT))
            distributed.init_process_group(
                backend, store=store, rank=number, world_size=count, timeout=TIMEOUT
            )
        except (RuntimeError, ValueError, KeyError) as error:
            raise UserError(
                f"the processes cannot reach each other ({_line(error)}): start them by torchrun"
            ) from error
        self._store = distributed.PrefixStore("model.train", store)

    def check(self, batch: int, compiled: bool) -> None:
        """Raise UserError where a global batch has not as many images for each process, or where
        one process alone can compile its steps."""
        if compiled and self.count > 1:
            raise UserError("--compile is for one process: leave it out")
        if batch % self.count or batch < 2 * self.count:
            raise UserError(
                f"--batch {batch} is shared by {self.count} processes: it must be a multiple of "
                f"{self.count}, and at least {2 * self.count}"
            )

    def part(self, batch):
        """This process's part of a global batch (a tensor), an equal number for each."""
        size = len(batch) // self.count
        return batch[self.number * size : (self.number + 1) * size]

    def sums(self, *values: float) -> list[float]:
        """The sum of each value over all processes, the same everywhere."""
        if self.count == 1:
            return list(values)
        import torch

        total = torch.tensor(values, dtype=torch.float64)
        torch.distributed.all_reduce(total)
        return total.tolist()

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        return self.sums(float(flag))[0] > 0

    def shared(self, make: Callable[[], object]) -> object:
        """What ``make`` returns in the first process, in all of them."""
        if self.count == 1:
            return make()
        from torch import distributed

        box = [make() if self.first else None]
        distributed.broadcast_object_list(box)
        return box[0]

    def wrap(self, net, unused: bool = False) -> Callable:
        """``net`` for training steps: called so, its gradients are those of all processes.

        ``unused`` says that some steps leave out some of its parameters.
        """
        if self.count == 1:
            return net
        from torch.nn.parallel import DistributedDataParallel

        from model.training.norms import share_norms

        share_norms(net)
        # Every process computes the same buffers: nothing to broadcast.
        return DistributedDataParallel(
            net, forward_sync_buffers=False, find_unused_parameters=unused
        )

    def check_equal(self, net) -> None:
        """Raise CheckError where a process's network is not, bit for bit, that of the first."""
        if self.count == 1:
            return
        digest = hashlib.sha256()
        for tensor in net.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        other = digest.hexdigest() != self.shared(digest.hexdigest)
        if self.any(other):
            whose = "this one's" if other else "another's"
            raise CheckError(
                f"not all processes have the same network any more ({whose} is not the first's): "
                "all of them need the same data, release of torch, and kind of processor or GPU"
            )

    @property
    def connected(self) -> bool:
        return self._store is not None

    def speaks(self) -> bool:
        """Whether this process is the first to fail, and so the one that says why."""
        if self._store is None:
            return self.first
        try:
            return self._store.add("failed", 1) == 1
        except RuntimeError:
            return True

    def leave(self) -> None:
        """Part with the other processes, when nothing is left to do together."""
        if self._store is not None:
            from torch import distributed

            distributed.destroy_process_group()


ALONE = Ranks()


class Unseen:
    """Progress and log of a process that shows and writes nothing."""

    def __enter__(self) -> "Unseen":
        return self

    def __exit__(self, kind, error, trace) -> None:
        return None

    def _nothing(self, *_) -> None:
        return None

    step = epoch = note = add = _nothing


def _line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
