"""What each runtime takes, and how close to the network its files answer."""

from __future__ import annotations

from harness import compression, export
from protos.runtimes import RUNTIMES

# Largest difference of a logit from torch's, as a share of the largest logit. Float kernels differ by the order of
# sums only; the others by the width of their steps, and static int8 also by activations outside the calibration.
TOLERANCES = {
    "fp32": 1e-5,
    "fp16": 2e-3,
    "int8": 0.25,
    "int8-dynamic": 0.03,
    "int4": 0.3,
    "int8-weights": 0.03,
    "int16x8": 0.25,
}
PAIRS = [
    (runtime, numerics)
    for runtime in RUNTIMES
    for numerics in compression.NUMERICS
    if export.supports(runtime, numerics) is None
]
