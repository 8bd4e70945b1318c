"""Names of the array types that every room speaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "FloatArray", "IntArray"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Array = NDArray[np.generic]
