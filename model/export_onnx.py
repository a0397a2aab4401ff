"""Writes an exported network as an ONNX file of standard operators.

    python -m model.export_onnx digits --out digits.onnx

An independent referee for the arithmetic: where onnxruntime is installed, its scores are compared
with the golden model's on random images and, with --dataset, on every test image of a data set.
Images go in as uint8 [N, colours, H, W]; out come int64 scores [N, classes] and classes [N].
"""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model import datasets, golden
from model.errors import CheckError, UserError, run_command
from model.files import make_folder, write_whole
from model.network import Network
from model.shipped import DEFAULT, load_model, names

__all__ = ["main", "run_onnx"]

RANDOM_IMAGES = 64
BATCH = 64


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m model.export_onnx``; CheckError where onnxruntime disagrees."""
    options = _parser().parse_args(arguments)
    network = load_model(options.file)
    images = {"random": _random_images(network)}
    if options.dataset:
        test = datasets.load(options.dataset, options.data, "test")
        if test.images.shape[1:] != network.image:
            raise UserError(
                f"--dataset {options.dataset} has images of {test.images.shape[1:]}, "
                f"{network.name} takes {network.image}"
            )
        images[f"{options.dataset} test"] = test.images
    if importlib.util.find_spec("onnx") is None:
        raise UserError("needs onnx, which is not installed: pip install '.[onnx]'")
    from model.onnx_graph import onnx_model

    blob = onnx_model(network).SerializeToString()
    out = options.out or Path(f"{network.name}.onnx")
    if importlib.util.find_spec("onnxruntime") is None:
        print("not compared with the golden model: onnxruntime is not installed")
        images = {}
    for what, some in images.items():
        scores, classes = run_onnx(blob, some)
        _compare(network, some, scores, classes, what)
        print(f"onnxruntime: the golden model's scores and classes on {len(some)} {what} images")
    make_folder(out.parent)
    write_whole(out, lambda file: file.write(blob))
    print(f"{out}: {len(blob)} bytes")


def run_onnx(blob: bytes, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores int64 [N, classes] and classes int64 [N] by onnxruntime on one CPU thread."""
    import onnxruntime

    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = session_options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        blob, session_options, providers=["CPUExecutionProvider"]
    )
    found = [
        session.run(["scores", "class"], {"image": images[start : start + BATCH]})
        for start in range(0, len(images), BATCH)
    ]
    scores, classes = zip(*found, strict=True)
    return np.concatenate(scores), np.concatenate(classes)


def _compare(
    network: Network, images: np.ndarray, scores: np.ndarray, classes: np.ndarray, what: str
) -> None:
    expected = np.concatenate(list(golden.run(network, images)))
    wrong = (scores != expected).any(axis=1) | (classes != expected.argmax(axis=1))
    if wrong.any():
        raise CheckError(
            f"onnxruntime differs from the golden model on {int(wrong.sum())} of {len(images)} "
            f"{what} images, first on number {int(wrong.argmax())}"
        )


def _random_images(network: Network) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (RANDOM_IMAGES, *network.image)).astype(np.uint8)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.export_onnx",
        usage="%(prog)s [FILE] [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", metavar="FILE", nargs="?", default=DEFAULT,
        help=f"exported network, or one of {', '.join(names())} (default: {DEFAULT})")  # fmt: skip
    add("--out", type=Path, metavar="FILE.onnx", help="default: NAME.onnx")
    add("--dataset", choices=datasets.NAMES, help="compare on its test images, too")
    add("--data", type=Path, help="folder with the data set's files (digits needs none)")
    return parser


if __name__ == "__main__":
    run_command(main)
