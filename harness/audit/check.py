"""What can be known to be wrong with an audit before anything is begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness import attacks, policy
from harness.attacks import Need
from harness.audit.baseline import require_baseline
from harness.config import AuditConfig
from harness.data.exposed_outputs import Exposure, require_usable
from harness.data.groups import CLASS
from harness.devices import check_url
from harness.subject import AUDIT
from harness.subject.answers import AnswersSubject
from harness.types import Array, IntArray

if TYPE_CHECKING:
    from harness.subject._protocol import Subject

__all__ = ["check"]


def check(config: AuditConfig) -> None:
    """Raise for whatever can be known to be wrong before anything is begun.

    Raises:
        ConfigError: data set, model, variant, quantizer or attack is not known, records do not suffice, or a rule of
            the policy can never be answered.
        InputError, ArtifactError: a file is missing or malformed.
        UsageError: the device's address has no known form, or an attack is not known or needs more than the app shows.
        UnresolvedError: there are too few records.
    """
    names = attacks.headline() if config.attack.names is None else config.attack.names
    needs = {name: attacks.attack_class(name).needs for name in names}
    require_usable(names, Exposure.of(config.attack))
    if config.kind != "answers":
        for name in config.device.names:
            check_url(name)
    subject = _CHECKS[config.kind](config)
    asks_of_parts = any(rule.classes is not None or rule.group is not None for rule in config.gate.rules)
    policy.check(
        config.gate,
        policy.Answerable(
            variants=subject.variants,
            controls=subject.controls,
            attacks={name: attacks.attack_class(name).adversary for name in names if needs[name] <= subject.given},
            counterparts={name: attacks.counterpart(name) for name in names},
            fprs=config.attack.fprs,
            has_reference=config.kind == "trained",
            devices=config.device.names if config.kind != "answers" and not config.device.splits else (),
            runtimes=subject.runtimes,
            parts=_parts(*subject.records()) if asks_of_parts else None,
            quantizers=config.mis.quantizers if config.kind == "trained" and config.mis.enabled else (),
        ),
    )
    if config.gate.baseline is not None:
        require_baseline(config.gate.baseline)


# True classes of the audited records, and what each has in each column of groups.
_Records = tuple[IntArray, Mapping[str, Array]]


@dataclass(frozen=True)
class _Checked:
    """What is known of a subject before it is asked anything.

    Args:
        variants: all, controls included.
        controls: those that do not ship.
        runtimes: where they run; none where the answers are from anywhere.
        given: what attacks will find among their observations.
        records: reads the audited records, which only some rules ask about.
    """

    variants: tuple[str, ...]
    controls: tuple[str, ...]
    runtimes: tuple[str, ...]
    given: frozenset[Need]
    records: Callable[[], _Records]


def _parts(labels: IntArray, groups: Mapping[str, Array]) -> dict[str, tuple[str, ...]]:
    """Column -> its values as texts, as slices have them."""
    return {name: tuple(map(str, np.unique(values).tolist())) for name, values in ((CLASS, labels), *groups.items())}


def _of(subject: Subject) -> Callable[[], _Records]:
    def read() -> _Records:
        records = subject.population(AUDIT)
        return records.labels, records.groups

    return read


def _trained(config: AuditConfig) -> _Checked:
    # Each kind loads its own rooms: answers need no device, files no training.
    from harness.subject.exported import check_jobs
    from harness.subject.trained import TrainedSubject

    check_jobs(config)
    audited = TrainedSubject.load(config)
    audited.check_model()
    evidence = audited.evidence()
    observed = _observed(references=bool(evidence.shadows), outside=True, queries=True)
    return _Checked(evidence.variants, evidence.controls, evidence.runtimes, observed, _of(audited))


def _supplied(config: AuditConfig) -> _Checked:
    from harness.subject.supplied import SuppliedSubject

    audited = SuppliedSubject.load(config)
    evidence = audited.evidence()
    observed = _observed(references=bool(evidence.shadows), outside=bool(evidence.target.outside), queries=True)
    return _Checked(evidence.variants, evidence.controls, evidence.runtimes, observed, _of(audited))


def _answers(config: AuditConfig) -> _Checked:
    assert config.answers is not None  # noqa: S101 - the configuration is of this kind
    target = AnswersSubject.load(config).target
    observed = _observed(
        references=bool(target.references), outside=target.population is not None, queries=bool(target.sensitivity)
    )
    return _Checked(target.variants, config.answers.controls, (), observed, lambda: (target.labels, target.groups))


def _observed(*, references: bool, outside: bool, queries: bool) -> frozenset[Need]:
    """What attacks will find among their observations."""
    needs: dict[Need, bool] = {
        "confidences": True,
        "hard_labels": True,
        "references": references,
        "population": outside,
        "noisy_copies": queries,
    }
    return frozenset(need for need, is_there in needs.items() if is_there)


_CHECKS = {"trained": _trained, "supplied": _supplied, "answers": _answers}
