"""Warns where members and non-members come from different files, so that they differ by more than membership."""

from __future__ import annotations

import numpy as np

from harness.data.datasets._registry import Source
from harness.data.datasets._split import Split

__all__ = ["source_warnings"]

# A source with more than MOST of one role and less than FEW of the other distinguishes the roles by itself.
MOST = 0.9
FEW = 0.5


def source_warnings(dataset: Source, split: Split) -> tuple[str, ...]:
    """One sentence for each source with most of one role and few of the other.

    An attack may then recognise the file instead of the membership. A random split has this property only where the
    data force it, or by chance with very few records.

    Args:
        dataset: the records, with their sources.
        split: the members and non-members.
    """
    if dataset.sources is None:
        return ()
    count = len(dataset.source_names)
    shares = {}
    for role, ids in (("members", split.members), ("non-members", split.nonmembers)):
        shares[role] = np.bincount(dataset.sources[dataset.rows(ids)], minlength=count) / len(ids)
    warnings = []
    for role, other in (("members", "non-members"), ("non-members", "members")):
        for source in np.flatnonzero((shares[role] > MOST) & (shares[other] < FEW)):
            warnings.append(
                f"{shares[role][source]:.0%} of the {role} come from {dataset.source_names[source]}, and "
                f"{shares[other][source]:.0%} of the {other}: an attack may recognise the file and not the membership."
            )
    return tuple(warnings)
