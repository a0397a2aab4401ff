"""What kernels a stack has, in a few words."""

from dataclasses import dataclass

from model.bits import TAPS

__all__ = ["Weights"]


@dataclass(frozen=True)
class Weights:
    """A stack's kernels: ``tau`` bits an index (9: plain ones), codebooks ``antipodal`` or not."""

    tau: int
    antipodal: bool = True

    @property
    def entries(self) -> int:
        """Of a response table."""
        return 1 << (self.tau - self.antipodal)

    @property
    def text(self) -> str:
        if self.tau == TAPS:
            return "plain kernels"
        return f"{'antipodal' if self.antipodal else 'general'} codebook, tau {self.tau}"
