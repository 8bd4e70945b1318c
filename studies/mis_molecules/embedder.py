"""A learned embedding of molecules: ChemNet, whose weights the package ``fcd`` ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from typing import Any

import numpy as np

from harness.packages import require
from harness.types import FloatArray

__all__ = ["WEIGHTS", "chemnet"]

WEIGHTS = "ChemNet_v0.13_pretrained.pt"
# What ChemNet was trained on: texts of this length, shorter ones padded. Another padding gives other answers.
LENGTH = 350
BATCH = 64


def chemnet(structures: Sequence[Any], progress: Callable[[int, int], None]) -> FloatArray:
    """Last layer of ChemNet, ``[N, 512]``: a network that reads SMILES and was trained to predict bioassays.

    Preuer et al. 2018, "Fréchet ChemNet Distance". It convolves one-hot characters and runs two recurrent layers.
    Nothing is downloaded. A molecule's embedding does not depend on the others.

    Args:
        structures: RDKit molecules; their canonical SMILES are read.
        progress: called with (done, total).

    Raises:
        DependencyError: a package is not installed.
    """
    require("fcd", "torch", "rdkit", extra="molecules")
    import torch
    from fcd.utils import get_one_hot, load_imported_model
    from rdkit.Chem import MolToSmiles

    with as_file(files("fcd") / WEIGHTS) as path:
        network = load_imported_model(torch.load(path, map_location="cpu", weights_only=True)).eval()
    texts = [MolToSmiles(structure) for structure in structures]
    # Few are longer; each of them goes alone, so that its own length is its padding.
    short = [i for i, text in enumerate(texts) if len(text) < LENGTH]
    batches = [short[i : i + BATCH] for i in range(0, len(short), BATCH)]
    batches += [[i] for i, text in enumerate(texts) if len(text) >= LENGTH]
    embedded = np.empty((len(texts), 512))
    done = 0
    with torch.inference_mode():
        for rows in batches:
            progress(done, len(texts))
            length = max(LENGTH, max(len(texts[i]) for i in rows) + 1)
            letters = np.stack([get_one_hot(texts[i], length) for i in rows]).astype(np.float32)
            embedded[rows] = network(torch.from_numpy(letters).transpose(1, 2)).numpy()
            done += len(rows)
    progress(done, len(texts))
    return embedded
