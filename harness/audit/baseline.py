"""How much more the attacks find than in an earlier audit: paired record by record where both audited the same ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from harness import fields
from harness.audit.findings import attack_findings
from harness.audit.judged import device_of
from harness.audit.of_devices import attacks_of_devices, runs_of_devices
from harness.audit.replicas import is_replicated
from harness.audit.same_records import Paired, paired
from harness.config import AuditConfig, BaselineConfig
from harness.errors import ConfigError, InputError, RunError
from harness.policy import Baseline
from harness.results import AttackFindings, Increase, Result
from harness.stats import auc_difference, covariance_of, placements_per_record, sample, strongest_differences
from harness.store import Run
from harness.types import Estimate, FloatArray, View

__all__ = ["compare", "independent_difference", "require_baseline"]

NO_VIEW = Estimate.unknown()


@dataclass(frozen=True, eq=False)
class _Audit:
    """One of the two audits.

    Args:
        results: of its attacks.
        runs: device -> the run that holds the scores; empty where there are only figures. The device is empty where
            results name none.
        device: the one device that it asked, where results name none.
    """

    results: tuple[Result, ...]
    runs: Mapping[str, Run] = field(default_factory=dict)
    device: str = ""

    @property
    def devices(self) -> set[str]:
        return {result.view.device for result in self.results}

    def device_like(self, device: str, own: str) -> str | None:
        """Which of its devices stands for one of the other audit's; None where none does."""
        names = self.devices
        if len(names) == 1:
            return next(iter(names))
        return next((name for name in (device, own) if name in names), None)


def require_baseline(baseline: BaselineConfig) -> None:
    """Raise unless the baseline is there and can be read.

    Raises:
        RunError: the run is none, or its attacks were not run.
        InputError: the report cannot be read.
    """
    _read(baseline)


def compare(baseline: BaselineConfig, config: AuditConfig, run: Run, attacks: AttackFindings) -> Baseline:
    """Hold every view against the same view of the baseline: adversary, variants, runtime and device.

    Where both audits hold scores of the same records, differences are paired; the strongest attack of each is chosen
    anew in every draw of the bootstrap, see :func:`harness.stats.strongest_differences`. Otherwise the two audits
    count as independent, see :func:`independent_difference`. Simultaneous intervals hold for all views together.

    Args:
        baseline: where the earlier audit is.
        config: of this audit.
        run: its folder.
        attacks: what its attacks found.

    Returns:
        The increases. A view that the baseline lacks has one that is unknown.

    Raises:
        ConfigError: the baseline is this very run.
        RunError, InputError: the baseline cannot be read.
    """
    place = Path(str(baseline.run or baseline.report)).resolve()
    own = run.folder.resolve()
    if own.is_relative_to(place) or place.is_relative_to(own):
        raise ConfigError(
            f"{place}: the baseline is the run that is judged, and nothing would have changed",
            hint="keep the earlier run in another folder, and name that",
        )
    theirs = _read(baseline)
    ours = _Audit(attacks.results, _runs(config, run), device_of(config, run))
    joint = {
        device: None if other is None else _paired(ours, theirs, device, other)
        for device in ours.devices
        for other in [theirs.device_like(device, ours.device)]
    }
    level = config.attack.level
    how = sorted({one.why for one in joint.values() if one is not None})
    return Baseline(
        name=baseline.name,
        how="; ".join(how) or "it has no device of this audit",
        strongest=tuple(_strongest(ours, theirs, joint, level=level, seed=config.seed)),
        each=tuple(_each(ours, theirs, joint, level=level)),
    )


def independent_difference(ours: Estimate, theirs: Estimate) -> Estimate:
    """The difference of two estimates from other records, by the method of variance estimates recovery (MOVER).

    Each end takes the distances from the two values to the ends of their own intervals, so that no law is assumed
    beyond that of the two intervals. Donner & Zou, Closed-form confidence intervals for functions of the normal mean
    and standard deviation, Statistical Methods in Medical Research 2012.
    """
    figures = (ours.value, ours.low, ours.high, theirs.value, theirs.low, theirs.high)
    if not all(map(math.isfinite, figures)):
        return Estimate.unknown()
    value = ours.value - theirs.value
    low = value - math.hypot(ours.value - ours.low, theirs.high - theirs.value)
    high = value + math.hypot(ours.high - ours.value, theirs.value - theirs.low)
    return Estimate(value, max(-1.0, low), min(1.0, high), ours.n + theirs.n, "mover", min(ours.level, theirs.level))


def _read(baseline: BaselineConfig) -> _Audit:
    if baseline.report is not None:
        return _Audit(_of_report(Path(baseline.report)).results)
    folder = Path(str(baseline.run))
    config = Run.config_of(folder)
    run = Run(folder, config)
    if is_replicated(config, run):
        return _Audit(attacks_of_devices(run).results, _runs(config, run))
    run.require("attack")
    return _Audit(attack_findings(run).results, _runs(config, run), device_of(config, run))


def _of_report(path: Path) -> AttackFindings:
    try:
        node = json.loads(path.read_bytes())
        return AttackFindings.from_json(fields.mapping(node if isinstance(node, dict) else {}, "attacks"))
    except OSError as error:
        raise InputError(f"{path}: the baseline's report cannot be read: {error.strerror}") from None
    except (ValueError, InputError) as error:
        raise InputError(f"{path}: is no report of an audit: {error}", hint="give its report.json") from None


def _runs(config: AuditConfig, run: Run) -> dict[str, Run]:
    if is_replicated(config, run):
        return {device.name: own for device, own in runs_of_devices(run)}
    return {"": run}


def _paired(ours: _Audit, theirs: _Audit, device: str, other: str) -> Paired:
    """The records of both audits on a device, one beside the other; without rows where they are not the same."""
    if other not in theirs.runs:
        return Paired("not paired: a report holds no scores; the two audits count as independent (MOVER)")
    try:
        return paired(ours.runs[device], theirs.runs[other])
    except RunError as error:
        return Paired(f"not paired: {error.message}; the two audits count as independent (MOVER)")


def _by_place(results: Iterable[Result]) -> dict[View, list[Result]]:
    places: dict[View, list[Result]] = {}
    for result in results:
        places.setdefault(result.view.of_any_attack, []).append(result)
    return places


def _counterparts(ours: _Audit, theirs: _Audit) -> Iterator[tuple[list[Result], list[Result]]]:
    """The results of each of our views, and those of the same view there; none where it has no such view."""
    there = _by_place(theirs.results)
    for place, results in _by_place(ours.results).items():
        other = theirs.device_like(place.device, ours.device)
        yield results, [] if other is None else there.get(replace(place, device=other), [])


def _strongest(
    ours: _Audit, theirs: _Audit, joint: Mapping[str, Paired | None], *, level: float, seed: int
) -> Iterator[Increase]:
    pairs = list(_counterparts(ours, theirs))
    corrected = 1.0 - (1.0 - level) / max(1, sum(bool(there) for _, there in pairs))
    groups: dict[tuple[str, str], list[tuple[list[Result], list[Result]]]] = {}
    for here, there in pairs:
        if not there:
            best = max(here, key=_value)
            yield Increase(
                view=best.view, against="", difference=NO_VIEW, simultaneous=NO_VIEW, is_control=best.is_control
            )
        else:
            groups.setdefault((here[0].view.device, here[0].view.runtime), []).append((here, there))
    for (device, _runtime), members in groups.items():
        both = joint[device]
        if both is not None and both.rows is not None:
            yield from _paired_strongest(both, members, level=level, corrected=corrected, seed=seed)
        else:
            yield from map(_independent_strongest, *zip(*members, strict=True))


def _paired_strongest(
    both: Paired,
    pairs: Sequence[tuple[list[Result], list[Result]]],
    *,
    level: float,
    corrected: float,
    seed: int,
) -> Iterator[Increase]:
    """By the joint law of all attacks' placement values on the records of both audits."""
    assert both.rows is not None  # noqa: S101 - the caller asked
    member = both.rows.member
    rows = sample(member, seed=seed)
    counts = (int(member.sum()), int((~member).sum()))
    scored: list[Result] = []
    aucs: list[float] = []
    columns: list[FloatArray] = []
    groups: list[tuple[list[int], list[int]]] = []
    for here, there in pairs:
        places: tuple[list[int], list[int]] = ([], [])
        for side, (results, scores) in enumerate(((here, both.rows.ours), (there, both.rows.theirs))):
            for result in results:
                values = placements_per_record(scores(result.view), member)
                mean = float(values[member].mean())
                places[side].append(len(scored))
                scored.append(result)
                aucs.append(mean)
                columns.append(mean + math.sqrt(result.design_effect) * (values[rows] - mean))
        groups.append(places)
    covariance = covariance_of(np.column_stack(columns), member[rows], counts=counts)
    for one in strongest_differences(np.array(aucs), covariance, groups, n=len(member), pairs=min(counts), seed=seed):
        yield Increase(
            view=scored[one.first].view,
            against=scored[one.second].attack,
            difference=one.estimate(level),
            simultaneous=one.estimate(corrected),
            is_control=scored[one.first].is_control,
        )


def _independent_strongest(here: list[Result], there: list[Result]) -> Increase:
    """By the intervals that hold for all attacks at once: the strongest lies between the highest of their ends."""
    best, other = max(here, key=_value), max(there, key=_value)
    difference = independent_difference(_highest(here), _highest(there))
    return Increase(
        view=best.view,
        against=other.attack,
        difference=difference,
        simultaneous=difference,
        is_control=best.is_control,
    )


def _highest(results: Sequence[Result]) -> Estimate:
    """The AUC of the strongest attack, whichever it is; unknown where one of them has no interval."""
    simultaneous = [result.simultaneous.auc for result in results]
    ends = [(one.low, one.high) for one in simultaneous]
    if not all(math.isfinite(end) for pair in ends for end in pair):
        return Estimate.unknown()
    best = max(results, key=_value).auc
    low, high = max(low for low, _ in ends), max(high for _, high in ends)
    return replace(best, low=min(low, best.value), high=max(high, best.value))


def _each(ours: _Audit, theirs: _Audit, joint: Mapping[str, Paired | None], *, level: float) -> Iterator[Increase]:
    """Every attack against itself."""
    pairs = [
        (result, next((one for one in there if one.attack == result.attack), None))
        for here, there in _counterparts(ours, theirs)
        for result in here
    ]
    corrected = 1.0 - (1.0 - level) / max(1, sum(other is not None for _, other in pairs))
    for result, other in pairs:
        both = joint[result.view.device]
        if other is None:
            plain = simultaneous = NO_VIEW
        elif both is not None and both.rows is not None:
            scores = (both.rows.ours(result.view), both.rows.theirs(other.view), both.rows.member.astype(np.int64))
            effect = max(result.design_effect, other.design_effect)
            plain, simultaneous = (auc_difference(*scores, level=at, design_effect=effect) for at in (level, corrected))
        else:
            plain = independent_difference(result.auc, other.auc)
            simultaneous = independent_difference(result.simultaneous.auc, other.simultaneous.auc)
        yield Increase(
            view=result.view,
            against=result.attack if other is not None else "",
            difference=plain,
            simultaneous=simultaneous,
            is_control=result.is_control,
        )


def _value(result: Result) -> float:
    return result.auc.value_or_lowest
