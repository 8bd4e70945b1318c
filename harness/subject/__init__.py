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

__all__ = ["AUDIT", "CANARIES", "CONTROL", "ORIGINAL", "POPULATION", "TARGET", "load", "require_same_inputs"]


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


def require_same_inputs(config: AuditConfig, run: Run) -> None:
    """Raise where a supplied file is not the one that the run was begun with: what was found is not about it.

    Args:
        config: the audit; one that trains its models has no such file.
        run: its folder; one that was not begun yet takes any.

    Raises:
        RunError: a file has changed.
        UsageError: a file is missing.
    """
    from harness.subject._inputs import kept_inputs, require_unchanged

    if config.kind == "trained" or not kept_inputs(run):
        return
    if config.kind == "answers":
        from harness.subject.answers import inputs_of as answers_of

        require_unchanged(run, answers_of(config))
    else:
        from harness.subject.supplied import inputs_of as files_of

        require_unchanged(run, files_of(config))
