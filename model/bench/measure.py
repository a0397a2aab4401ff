"""Time and memory of functions that compute with torch on a CPU."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["Row", "interleaved", "peak_bytes"]


@dataclass(frozen=True)
class Row:
    """One comparison: what was measured and against what, seconds and bytes of tensors."""

    name: str
    baseline: str
    seconds: float
    baseline_seconds: float
    bytes: int
    baseline_bytes: int

    @property
    def speedup(self) -> float:
        """How many times as fast as the baseline."""
        return self.baseline_seconds / self.seconds

    def plain(self) -> dict:
        """As it stands in the JSON file."""
        return {
            "name": self.name,
            "baseline": self.baseline,
            "seconds": self.seconds,
            "baseline_seconds": self.baseline_seconds,
            "speedup": self.speedup,
            "bytes": self.bytes,
            "baseline_bytes": self.baseline_bytes,
        }


def interleaved(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Least seconds of each function over ``rounds`` rounds, in which they take turns.

    Seconds of processor time: on one thread those of the clock, had it a core to itself. What else
    runs on the machine still takes its share of caches, and turns share that out evenly. A first
    call of each is not counted.
    """
    for work in works:
        work()
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for place, work in enumerate(works):
            begun = time.process_time()
            work()
            best[place] = min(best[place], time.process_time() - begun)
    return best


def peak_bytes(work: Callable[[], object]) -> int:
    """Most bytes of tensors that ``work`` holds at once, beyond those that exist before it.

    By torch's profiler, which sees every allocation of torch's own allocator (results, gradients
    and temporaries), but no scratch memory inside of a BLAS library.
    """
    kept = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[kept], profile_memory=True) as profile:
        work()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text("utf-8"))["traceEvents"]
    changes = [event for event in events if event["name"] == "[memory]"]
    held = most = 0
    for change in sorted(changes, key=lambda event: event["ts"]):
        held += change["args"]["Bytes"]
        most = max(most, held)
    return most
