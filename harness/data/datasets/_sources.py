"""Members and non-members from different files differ by more than membership: a warning where that is so."""

from __future__ import annotations

import numpy as np

from harness.data.datasets._registry import Source
from harness.data.datasets._split import Split

__all__ = ["source_warnings"]

# A source that holds more than MOST of one role and less than FEW of the other tells the roles apart by itself.
MOST = 0.9
FEW = 0.5


def source_warnings(dataset: Source, split: Split) -> tuple[str, ...]:
    """One sentence for each source that most of one role and few of the other come from.

    An attack may then recognise the file instead of the membership. A random split does this only where the data
    leave it no choice, or by bad luck with very few records.

    Args:
        dataset: the records, with their sources.
        split: who is a member.
    """
    if dataset.sources is None:
        return ()
    count = len(dataset.source_names)
    shares = {}
    for role, ids in (("members", split.members), ("non-members", split.nonmembers)):
        shares[role] = np.bincount(dataset.sources[dataset.rows(ids)], minlength=count) / len(ids)
    found = []
    for role, other in (("members", "non-members"), ("non-members", "members")):
        for place in np.flatnonzero((shares[role] > MOST) & (shares[other] < FEW)):
            found.append(
                f"{shares[role][place]:.0%} of the {role} come from {dataset.source_names[place]}, and "
                f"{shares[other][place]:.0%} of the {other}: an attack may tell the files apart, not the membership."
            )
    return tuple(found)
