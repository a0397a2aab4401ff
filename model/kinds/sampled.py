"""``sampled``, ``antipodal``: the kernels drawn at the beginning stay (the paper's first stage)."""

from torch import Tensor

from model.nearest import assign

__all__ = ["Rule", "Sampled"]


class Sampled:
    """The interface of every kind, and its simplest member."""

    # Whether training moves the codebook.
    learnt = False

    def begin(self, book) -> None:
        """Give a new `model.learnt.Codebook`, whose memory is drawn, what else the kind needs."""

    def planned(self, book, steps: int, first: int) -> None:
        """Told, before a run begins, how many training steps it will take, and how many of them
        are of a first stage, in which ``kernels`` is not asked."""

    def filled(self, book) -> None:
        """Bring the kind's own state up to date with a memory that was set from outside."""

    def follow(self, book, weights: Tensor) -> None:
        """Move ``book.memory``, once a training step and before its search; no gradients.

        Only by what is equal on every rank of a DistributedDataParallel group: parameters, buffers
        and ``weights`` [n, 9].
        """

    def kernels(self, book, weights: Tensor) -> Tensor:
        """Kernels of -1 and +1, [n, 9], for ``weights`` [n, 9], with gradients.

        In evaluation they must be those of the memory that are nearest.
        """
        return assign(weights, book.memory, book.antipodal)


Rule = Sampled
