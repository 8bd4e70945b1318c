"""The same answers as arrays, as a DataFrame and as files: what people have who bring their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["ATTACKS", "CLASSES", "Bundle", "N", "bundle"]

# Members, and as many non-members.
N, CLASSES = 120, 4
# A fixed formula, one cut a class, a learned one, and one that sees two variants.
ATTACKS = ("confidence", "modified-entropy-class", "gbt", "sr2-lr")


@dataclass(frozen=True, eq=False)
class Bundle:
    """Answers of one model.

    Args:
        labels: ``[2N]``.
        membership: ``[2N]``.
        confidences: variant -> ``[2N, C]``.
        first_id: of the ids, which ascend.
    """

    labels: NDArray[np.int64]
    membership: NDArray[np.int64]
    confidences: dict[str, NDArray[Any]]
    first_id: int = 0

    @property
    def ids(self) -> NDArray[np.int64]:
        return np.arange(self.first_id, self.first_id + len(self.labels))

    @property
    def parts(self) -> dict[str, Any]:
        """As :func:`edgeleak.attack` takes them one by one."""
        return {
            "labels": self.labels,
            "membership": self.membership,
            "confidences": self.confidences,
            "ids": self.ids,
        }

    def keys(self, prefix: str = "target") -> dict[str, Any]:
        """As an .npz file holds them."""
        table: dict[str, Any] = {f"{prefix}/{name}": self.parts[name] for name in ("labels", "membership", "ids")}
        return table | {f"{prefix}/confidences/{variant}": p for variant, p in self.confidences.items()}

    def frame(self) -> pd.DataFrame:
        """As a table."""
        columns: dict[str, Any] = {"id": self.ids, "label": self.labels, "membership": self.membership}
        for variant, p in self.confidences.items():
            columns |= {f"{variant}:{k}": p[:, k] for k in range(p.shape[1])}
        return pd.DataFrame(columns)

    def csv(self, path: Path) -> Path:
        self.frame().to_csv(path, index=False)
        return path

    def parquet(self, path: Path) -> Path:
        self.frame().to_parquet(path)
        return path

    def npz(self, path: Path, *shadows: Bundle) -> Path:
        table = self.keys()
        for k, shadow in enumerate(shadows):
            table |= shadow.keys(f"shadow/{k}")
        np.savez(path, **table)
        return path


def bundle(*, seed: int = 5, n: int = N, dtype: type = np.float64, leak: float = 1.2) -> Bundle:
    """Answers that leak, of an original and a compressed variant."""
    rng = np.random.default_rng(seed)
    labels, membership = rng.integers(0, CLASSES, 2 * n), np.repeat([1, 0], n)
    confidences = {}
    for variant, strength in (("original", leak), ("int8", 0.8 * leak)):
        logits = rng.normal(size=(2 * n, CLASSES))
        logits[np.arange(2 * n), labels] += 1 + strength * membership
        powers = np.exp(logits)
        confidences[variant] = (powers / powers.sum(axis=1, keepdims=True)).astype(dtype)
    return Bundle(labels, membership, confidences, first_id=1000 * seed)
