"""What a policy judges: all that an audit found, and how it differs from an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.results import ArtifactResult, AttackFindings, Increase, MisFindings, SliceFindings
from harness.types import View

__all__ = ["Baseline", "Found"]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """How much more the attacks find than they did in an earlier audit.

    Args:
        name: what the policy calls that audit.
        how: how both were compared, as a sentence.
        strongest: the strongest attack of each view against the strongest of the same view there; `against` names it.
        each: every attack against itself there.
    """

    name: str
    how: str = ""
    strongest: tuple[Increase, ...] = ()
    each: tuple[Increase, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an audit found.

    Args:
        attacks: by the attacks.
        artifacts: of each file.
        slices: device -> about parts of the records there; the device is empty where results name none.
        mis: device -> of the quantizers.
        baseline: against an earlier audit; None where the policy names none.
    """

    attacks: AttackFindings
    artifacts: Sequence[ArtifactResult] = ()
    slices: Mapping[str, SliceFindings] = field(default_factory=dict)
    mis: Mapping[str, MisFindings] = field(default_factory=dict)
    baseline: Baseline | None = None

    def counts(self, view: View) -> tuple[int, int]:
        """Members and non-members behind a view's result; none where it has no result."""
        for result in self.attacks.results:
            if result.view == view:
                return result.n_members, result.n_nonmembers
        return 0, 0
