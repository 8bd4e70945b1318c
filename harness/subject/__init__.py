"""What is audited: a network trained here, files that were supplied with their records, or answers that exist already.

Subjects differ until their answers lie in the run; every later stage is the same for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.subject.names import AUDIT, CANARIES, CONTROL, ORIGINAL, POPULATION, TARGET

if TYPE_CHECKING:
    from harness.config import AuditConfig
    from harness.store import Run
    from harness.subject._protocol import Subject

__all__ = ["AUDIT", "CANARIES", "CONTROL", "ORIGINAL", "POPULATION", "TARGET", "load"]


def load(config: AuditConfig, run: Run | None = None) -> Subject:
    """The subject of an audit that asks a device; what each brings is imported where it is wanted.

    Args:
        config: the audit; its kind is ``trained`` or ``supplied``.
        run: its folder, where there is one yet.

    Raises:
        UsageError: what the configuration names is missing, malformed, or has changed since the run was begun.
    """
    if config.kind == "supplied":
        from harness.subject.supplied import SuppliedSubject

        return SuppliedSubject.load(config, run)
    from harness.subject.trained import TrainedSubject

    return TrainedSubject.load(config, run)
