"""An audit of supplied parts: hand-made model files, records whose membership shows, shadows, and its audit.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.end_to_end.hand_made import Linear, litert_float, litert_uint8, onnx_graph

__all__ = ["CLASSES", "SHADOWS", "SHAPE", "Supplied", "images_of", "linear_of", "make", "table_of"]

SHAPE, CLASSES, SHADOWS = (8, 8, 1), 4, 2
# Records of the target's two sides, of a shadow's two, and of nobody's.
N, N_SHADOW, N_POPULATION = 120, 60, 60
# How far records lie along their class, in standard deviations of the noise: members more than others.
MEMBERS, OTHERS = 3.0, 0.6
# Variant -> its file, the same for the target and the shadows. Three run on LiteRT, one on ONNX Runtime.
FILES = {"original": "original.tflite", "half": "half.tflite", "int8": "int8.tflite", "portable": "portable.onnx"}

ATTACKS = """
[attack]
names = ["confidence", "rmia", "sr2-lr", "mr-logistic"]

[bench]
runs = 5
duration_s = 0.0
cold = true
"""


@dataclass(frozen=True)
class Supplied:
    """A folder with an audit of supplied files.

    Args:
        folder: where everything lies.
        toml: its audit.toml.
    """

    folder: Path
    toml: Path

    @property
    def options(self) -> list[str]:
        """The options that describe the audit, without its shadows."""
        artifacts = [word for name, file in FILES.items() for word in ("--artifact", f"{name}={self.folder / file}")]
        sides = ["--members", str(self.folder / "members.npz"), "--nonmembers", str(self.folder / "nonmembers.npz")]
        return [*artifacts, *sides]


def linear_of(seed: int, shape: tuple[int, ...] = SHAPE) -> Linear:
    """A classifier."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    weights, bias = rng.normal(size=(CLASSES, size)) / 2, rng.normal(size=CLASSES) / 4
    return Linear(weights.astype(np.float32), bias.astype(np.float32), shape)


def images_of(linear: Linear, n: int, pull: float, seed: int) -> dict[str, Any]:
    """Records in 0..1 that lie along their class, the further the surer the classifier is of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    directions = linear.weights / np.linalg.norm(linear.weights, axis=1, keepdims=True)
    values = 0.5 + 0.15 * (rng.normal(size=(n, linear.weights.shape[1])) + pull * directions[labels])
    inputs: NDArray[np.float32] = values.clip(0, 1).astype(np.float32).reshape(n, *linear.shape)
    return {"inputs": inputs, "labels": labels}


def table_of(path: Path, linear: Linear, n: int, pull: float, seed: int, *, label: str = "label") -> Path:
    """The same as a .csv with one column of classes."""
    records = images_of(linear, n, pull, seed)
    names = [label, *(f"x{k}" for k in range(linear.weights.shape[1]))]
    rows = [
        ",".join([str(cls), *(f"{value:.6f}" for value in values)])
        for cls, values in zip(records["labels"], records["inputs"].reshape(n, -1), strict=True)
    ]
    path.write_text("\n".join([",".join(names), *rows]) + "\n")
    return path


def make(folder: Path) -> Supplied:
    """Write the files of an audit into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    target = linear_of(0)
    _model(folder, target)
    np.savez(folder / "members.npz", **images_of(target, N, MEMBERS, 1))
    np.savez(folder / "nonmembers.npz", **images_of(target, N, OTHERS, 2))
    np.savez(folder / "population.npz", **images_of(target, N_POPULATION, OTHERS, 3))
    text = 'name = "supplied"\nseed = 4\n'
    text += "".join(f'\n[[artifact]]\nvariant = "{name}"\nfile = "{file}"\n' for name, file in FILES.items())
    text += '\n[records]\nmembers = "members.npz"\nnonmembers = "nonmembers.npz"\npopulation = "population.npz"\n'
    for number in range(SHADOWS):
        place, shadow = folder / f"shadow-{number}", linear_of(10 + number)
        place.mkdir(exist_ok=True)
        _model(place, shadow)
        np.savez(place / "members.npz", **images_of(shadow, N_SHADOW, MEMBERS, 20 + number))
        np.savez(place / "nonmembers.npz", **images_of(shadow, N_SHADOW, OTHERS, 30 + number))
        text += f'\n[[shadow]]\nmembers = "{place.name}/members.npz"\nnonmembers = "{place.name}/nonmembers.npz"\n'
        text += "".join(
            f'\n[[shadow.artifact]]\nvariant = "{name}"\nfile = "{place.name}/{file}"\n' for name, file in FILES.items()
        )
    path = folder / "audit.toml"
    path.write_text(text + "\n[collect]\nbatch_size = 4\n" + ATTACKS + "\n[[gate.rules]]\nmax = 0.6\n")
    return Supplied(folder, path)


def _model(folder: Path, linear: Linear) -> None:
    litert_float(folder / FILES["original"], linear)
    litert_float(folder / FILES["half"], linear.halved())
    litert_uint8(folder / FILES["int8"], linear)
    onnx_graph(folder / FILES["portable"], linear)
