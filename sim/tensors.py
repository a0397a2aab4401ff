"""Saves the tensors of a simulation beside the golden model's, for a closer look."""

from pathlib import Path

import numpy as np

from model import golden
from model.files import write_whole
from model.format import Network
from sim.outcome import Outcome

__all__ = ["save_tensors"]


def save_tensors(network: Network, images: np.ndarray, outcome: Outcome, path: Path) -> None:
    """Write ``rtl.NAME`` and ``golden.NAME`` arrays, images first, to a compressed npz file.

    NAME is ``input``, a convolution's name, the same and ``.stream``, ``scores`` or ``class``;
    ``images`` holds the input.
    """
    expected = golden.trace(network, images)
    names = [conv.name for conv in network.convs]
    streams = [f"{name}.stream" for name in names]
    names = ["input", *names, *streams, "scores", "class"]
    want = (
        *(expected.planes, *expected.activations, *expected.streams),
        *(expected.scores, expected.classes),
    )
    found = zip(
        *(
            (t.planes, *t.activations, *t.streams, t.scores, t.label)
            for batch in outcome.batches
            for t in batch.images
        ),
        strict=True,
    )
    arrays = {"images": images}
    for name, golden_tensor, rtl_tensors in zip(names, want, found, strict=True):
        if golden_tensor is not None:
            arrays[f"golden.{name}"] = golden_tensor
            arrays[f"rtl.{name}"] = np.stack(rtl_tensors)
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))
