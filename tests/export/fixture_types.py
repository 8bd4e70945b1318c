"""Types of the fixtures in ``conftest.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from harness.types import Artifact

# The network's artifacts by (runtime, number format).
Formats = Mapping[tuple[str, str], Artifact]
# Runtime -> (file, records) -> answers.
Runners = Mapping[str, Callable[[Path, NDArray[Any]], NDArray[np.float32]]]


@dataclass(frozen=True)
class Exported:
    """One variant: the torch network, and its artifact for each runtime."""

    model: nn.Module
    artifacts: Mapping[str, Artifact]
