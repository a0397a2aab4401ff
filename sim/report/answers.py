"""How the answers compare with the labels, and the images worth looking at."""

from collections.abc import Sequence

import numpy as np

from sim.outcome import Outcome
from sim.report.pictures import png_text

__all__ = ["MOST_PICTURES", "answers"]

MOST_PICTURES = 24
# A matrix of more classes is no longer looked at.
MOST_CLASSES = 20


def answers(
    outcome: Outcome,
    images: np.ndarray,
    labels: np.ndarray | None,
    class_names: Sequence[str],
    first_image: int,
) -> dict:
    """Accuracy, confusion and pictures.

    ``images`` uint8 [N, colours, H, W] and ``labels`` int64 [N], or None where nobody knows them,
    are those asked for; only those done are looked at. ``confusion`` [label][answer] counts
    images; ``pictures`` are up to `MOST_PICTURES` that were misclassified and as many in which a
    value differs from the golden model.
    """
    found = outcome.labels
    differing = outcome.differing_images
    report = {
        "class_names": list(class_names),
        "accuracy": None,
        "misclassified": None,
        "class_accuracy": None,
        "confusion": None,
        "differing_images": len(differing),
    }
    wrong = np.zeros(0, np.int64)
    if labels is not None:
        labels = np.asarray(labels)[: len(found)]
        wrong = np.flatnonzero(found != labels)
        report["accuracy"] = float((found == labels).mean())
        report["misclassified"] = len(wrong)
        classes = len(class_names) or int(max(found.max(), labels.max())) + 1
        if classes <= MOST_CLASSES and max(found.max(), labels.max()) < classes:
            matrix = np.zeros((classes, classes), np.int64)
            np.add.at(matrix, (labels, found), 1)
            report["confusion"] = matrix.tolist()
            report["class_accuracy"] = [
                round(int(row[n]) / int(row.sum()), 4) if row.any() else None
                for n, row in enumerate(matrix)
            ]
    shown = sorted({*wrong[:MOST_PICTURES].tolist(), *differing[:MOST_PICTURES]})
    report["pictures"] = [
        {
            "image": first_image + place,
            "label": None if labels is None else int(labels[place]),
            "answer": int(found[place]),
            "differs": place in differing,
            "png": png_text(images[place]),
        }
        for place in shown
    ]
    return report
