"""The files that documents work with: two real .tflite files, their records, and simulated answers of three variants.

The models are linear classifiers of scikit-learn's digits, trained until they know their 400 training records by heart:
small enough to be made in a second, and overfitted as real ones are. ``python -m tests.docs.scene FOLDER`` writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from tests.end_to_end.hand_made import Linear, litert_float, litert_uint8

__all__ = ["make"]

# Records on either side; digits has 1,797.
N = 400
STEPS = 3000
# The trained logits lie within -18..18.
LOGIT_STEP = 1 / 7
N_ANSWERS, CLASSES = 1000, 10
# How far members' logits of the true class lie above others', by variant of the simulated answers.
LIFTS = {"original": 0.6, "int8": 0.55, "prune-0.8": 0.3}


def make(folder: Path) -> Path:
    """Write every file into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = _digits()
    order = np.random.default_rng(1).permutation(len(images))
    for name, rows in (("members", order[:N]), ("nonmembers", order[N : 2 * N])):
        np.savez(folder / f"{name}.npz", inputs=images[rows], labels=labels[rows])
    linear = _trained(images[order[:N]], labels[order[:N]])
    litert_float(folder / "model.tflite", linear)
    litert_uint8(folder / "model-int8.tflite", linear, logit_step=LOGIT_STEP)
    _answers(folder / "answers.npz")
    return folder


def _digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images, labels = load_digits(return_X_y=True)
    return (images.reshape(-1, 8, 8, 1) / 16).astype(np.float32), labels.astype(np.int64)


def _trained(images: NDArray[np.float32], labels: NDArray[np.int64]) -> Linear:
    """A multinomial logistic regression by gradient descent from zero, so that it is the same every time."""
    rows = np.c_[images.reshape(len(images), -1).astype(np.float64), np.ones(len(images))]
    targets, weights = np.eye(CLASSES)[labels], np.zeros((rows.shape[1], CLASSES))
    for _ in range(STEPS):
        logits = rows @ weights
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights -= rows.T @ (shares / shares.sum(axis=1, keepdims=True) - targets) / len(rows)
    kept = weights.astype(np.float32)
    return Linear(np.ascontiguousarray(kept[:-1].T), kept[-1], images.shape[1:])


def _answers(path: Path) -> None:
    """Answers of three variants to members and non-members: what they share is how hard a record is."""
    rng = np.random.default_rng(7)
    n = 2 * N_ANSWERS
    labels, membership = rng.integers(0, CLASSES, n), np.arange(n) < N_ANSWERS
    hardness, base = rng.normal(size=n), rng.normal(size=(n, CLASSES))
    arrays = {"target/labels": labels, "target/membership": membership.astype(np.int8)}
    for variant, lift in LIFTS.items():
        logits = base + 0.3 * rng.normal(size=(n, CLASSES))
        logits[np.arange(n), labels] += 2 + hardness + lift * membership
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        arrays[f"target/confidences/{variant}"] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the arrays' names for its own options


if __name__ == "__main__":
    make(Path(sys.argv[1]))
