"""What can be known to be wrong with an audit before anything is begun."""

from __future__ import annotations

from harness import attacks, policy
from harness.attacks import Need
from harness.config import AuditConfig
from harness.data.exposed_outputs import Exposure, require_usable
from harness.devices import check_url
from harness.subject.answers import AnswersSubject

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
    variants, controls, given = _CHECKS[config.kind](config)
    policy.check(
        config.gate,
        policy.Answerable(
            variants=variants,
            controls=controls,
            attacks={name: attacks.attack_class(name).adversary for name in names if needs[name] <= given},
            counterparts={name: attacks.counterpart(name) for name in names},
            fprs=config.attack.fprs,
            has_reference=config.kind == "trained",
            devices=config.device.names if config.kind != "answers" and not config.device.splits else (),
        ),
    )


# Variants, controls, and what attacks will observe.
_Checked = tuple[tuple[str, ...], tuple[str, ...], frozenset[Need]]


def _trained(config: AuditConfig) -> _Checked:
    # Each kind loads its own rooms: answers need no device, files no training.
    from harness.subject.exported import check_jobs
    from harness.subject.trained import TrainedSubject

    check_jobs(config)
    audited = TrainedSubject.load(config)
    audited.check_model()
    evidence = audited.evidence()
    return (
        evidence.variants,
        evidence.controls,
        _observed(references=bool(evidence.shadows), outside=True, queries=True),
    )


def _supplied(config: AuditConfig) -> _Checked:
    from harness.subject.supplied import SuppliedSubject

    evidence = SuppliedSubject.load(config).evidence()
    observed = _observed(references=bool(evidence.shadows), outside=bool(evidence.target.outside), queries=True)
    return evidence.variants, evidence.controls, observed


def _answers(config: AuditConfig) -> _Checked:
    assert config.answers is not None  # noqa: S101 - the configuration is of this kind
    target = AnswersSubject.load(config).target
    observed = _observed(
        references=bool(target.references), outside=target.population is not None, queries=bool(target.sensitivity)
    )
    return target.variants, config.answers.controls, observed


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
