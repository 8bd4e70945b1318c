"""What a model file holds, as a row of the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness import fields
from harness.results import ArtifactResult
from harness.types import Artifact

__all__ = ["file_result"]


def file_result(
    artifact: Artifact, *, is_control: bool, zip_bytes: int, weights: Sequence[fields.Node]
) -> ArtifactResult:
    """Sizes, share of zeros and distinct values of one file; weights are those read back from its bytes."""
    counts = [int(np.prod(fields.numbers(tensor, "shape"))) for tensor in weights]  # type: ignore[arg-type]
    shares = [fields.number(tensor, "share_zeros") or 0.0 for tensor in weights]
    return ArtifactResult(
        variant=artifact.variant,
        runtime=artifact.runtime,
        is_control=is_control,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        zip_bytes=zip_bytes,
        share_zeros=float(np.average(shares, weights=counts)) if weights else None,
        weights=tuple(weights),
    )
