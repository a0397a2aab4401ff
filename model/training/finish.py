"""The end of a run: export, comparison with the golden model, metrics."""

import dataclasses
import platform
from pathlib import Path

import numpy as np
import torch
from torch import nn

from model import datasets, export, verify
from model.codebooks import tau_of
from model.cost import network_cost, network_shapes, stored_bits
from model.datasets import Dataset
from model.files import git_commit
from model.format import SUFFIX, save
from model.network import Network, Pointwise
from model.saturation import saturation
from model.training.files import METRICS, write_json
from model.training.loop import Trainer
from model.training.progress import working

__all__ = ["finish"]

SATURATION_IMAGES = 200


def finish(trainer: Trainer, folder: Path, test: Dataset) -> dict:
    """Export the trained network into ``folder``, write metrics.json, and say what came out.

    Returns the metrics. Raises CheckError where the export's classes are not the network's.
    """
    config = trainer.config
    if not config.exported:
        return _finish_teacher(trainer, folder, test)
    name = config.export_name
    image = datasets.source(config.dataset).image
    network = export.export(trainer.net, image, name)
    with working("comparing every test image with the exported integer network"):
        agreement = verify.compare(trainer.net, network, test.images, test.labels)
    bits_stored, operations = network_cost(network)
    provenance = {
        "command": config.command(),
        "dataset": config.dataset,
        "bits": config.bits,
        "codebook": config.codebook if config.bits != "1" else "none",
        "net": config.net,
        "seed": config.seed,
        "epochs": config.epochs,
        "test_accuracy": agreement.golden_accuracy,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    path = folder / f"{name}{SUFFIX}"
    file_bytes = save(dataclasses.replace(network, provenance=provenance), path)
    tau = tau_of(config.bits)
    formula = stored_bits(network_shapes(network), tau, codebooks=True) + _wide_bits(network)
    streams = _streams(trainer, network, test)
    metrics = provenance | {
        "float_accuracy": agreement.float_accuracy,
        "test_images": agreement.images,
        "disagreements": agreement.disagreements,
        "teacher_accuracy": _accuracy(trainer.teacher, test),
        "stored_bits": bits_stored,
        "bit_ops": operations,
        "streams": streams,
        "kernel_applications": sum(s.applications for s in network_shapes(network)),
        "seconds": round(trainer.seconds, 1),
        "device": trainer.device,
        "processes": trainer.ranks.count,
        "export": str(path),
        "file_bytes": file_bytes,
        "formula_bytes": -(-formula // 8),
        "config": dataclasses.asdict(config),
        "python": platform.python_version(),
        "git_commit": git_commit(),
    }
    write_json(folder / METRICS, metrics)
    print(
        f"{path}: test accuracy {100 * agreement.golden_accuracy:.2f} % "
        f"({agreement.images} images; float network {100 * agreement.float_accuracy:.2f} %, "
        f"{agreement.disagreements} classes differ), {bits_stored} bits of indices, "
        f"{file_bytes} bytes on disk, {operations} Bit-OPs, trained in {trainer.seconds:.0f} s",
        flush=True,
    )
    if streams:
        widths = sorted({stream["bits"] for stream in streams})
        worst = max(stream["saturated"] for stream in streams)
        print(
            f"streams of {' and '.join(map(str, widths))} bits, at most {100 * worst:.3f} % of one "
            f"saturated on {min(SATURATION_IMAGES, agreement.images)} test images",
            flush=True,
        )
    return metrics


def _accuracy(net: nn.Module | None, test: Dataset) -> float | None:
    """A float network's, on the test images; None without one."""
    if net is None:
        return None
    net.to("cpu", torch.float32)
    with working("testing the float network"):
        right = verify.predict(net, torch.from_numpy(test.images)).numpy() == test.labels
    return float(right.mean())


def _finish_teacher(trainer: Trainer, folder: Path, test: Dataset) -> dict:
    """Write and say what a float network reached; its checkpoint is what others learn from."""
    config = trainer.config
    accuracy = _accuracy(trainer.net, test)
    metrics = {
        "command": config.command(),
        "dataset": config.dataset,
        "bits": config.bits,
        "net": config.net,
        "seed": config.seed,
        "epochs": config.epochs,
        "test_accuracy": accuracy,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "test_images": len(test),
        "seconds": round(trainer.seconds, 1),
        "config": dataclasses.asdict(config),
        "python": platform.python_version(),
        "git_commit": git_commit(),
    }
    write_json(folder / METRICS, metrics)
    print(
        f"{folder}: a float network with a test accuracy of {100 * accuracy:.2f} % "
        f"({len(test)} images), to learn from with --teacher {folder}; "
        f"trained in {trainer.seconds:.0f} s",
        flush=True,
    )
    return metrics


def _wide_bits(network: Network) -> int:
    """Stored bits of what is not from codebooks: head, first layer, 1x1 layers."""
    wide = [layer for layer in network.convs if isinstance(layer, Pointwise)]
    wide += [network.head] + ([network.stem] if network.stem else [])
    return sum(layer.stored_bits for layer in wide)


def _streams(trainer: Trainer, network: Network, test: Dataset) -> list[dict]:
    """Bits, binary places and saturated share of each stream, in the order of the layers."""
    traced = export.graph(trainer.net, network.image)
    units = ([traced.stem] if traced.stem else []) + [u for u in traced.units if u.stream]
    if not units:
        return []
    shares = saturation(network, test.images[:SATURATION_IMAGES])
    return [
        {
            "layer": unit.path,
            "bits": unit.stream.module.bits,
            "fraction": unit.stream.module.fraction,
            "saturated": shares[network.stem.name if unit is traced.stem else unit.path],
        }
        for unit in units
    ]
