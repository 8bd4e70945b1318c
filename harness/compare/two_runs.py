"""Two finished audits beside each other: what changed, with intervals that hold at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness import stats
from harness.attacks import MIN_SIDE_RECORDS
from harness.audit.baseline import independent_difference
from harness.audit.findings import artifact_results, attack_findings
from harness.audit.replicas import is_replicated
from harness.audit.same_records import Rows, paired
from harness.compare.two_runs_result import ArtifactChange, Change, Comparison, Strongest
from harness.errors import InputError, RunError
from harness.report import Report
from harness.results import ArtifactResult, Result
from harness.store import Run
from harness.types import Estimate, FloatArray, IntArray, View

__all__ = ["Side", "compare"]

# How the chance that some interval misses is divided: views, the strongest attacks, accuracies and latencies.
VIEWS_SHARE, STRONGEST_SHARE, ARTIFACTS_SHARE = 0.7, 0.15, 0.15
# The normal law beyond this level has quantiles that no interval of a few records can be stretched to.
HIGHEST_LEVEL = 1.0 - 1e-9


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two audits.

    Args:
        place: the run's folder or the report's file.
        name: the audit's.
        created: when it was begun.
        outcome: of its gate; empty where there is no verdict.
        results: of its attacks.
        artifacts: what was found of each file.
        run: the run that holds the scores; None where there is a report alone.
        level: nominal coverage of its intervals.
    """

    place: Path
    name: str
    created: str
    outcome: str
    results: tuple[Result, ...]
    artifacts: tuple[ArtifactResult, ...]
    run: Run | None
    level: float

    @classmethod
    def read(cls, place: Path) -> Side:
        """A finished run's folder, or a report.json.

        Raises:
            RunError: the folder is no run, is not far enough, is damaged, or is that of several devices.
            InputError: the file is no report.
        """
        if place.is_dir():
            return cls._of_run(place)
        try:
            report = Report.from_json(json.loads(place.read_bytes()))
        except OSError as error:
            raise InputError(
                f"{place}: cannot be read: {error.strerror}", hint="give run folders or report.json"
            ) from None
        except (ValueError, InputError) as error:
            raise InputError(f"{place}: is no report of an audit: {error}", hint="give its report.json") from None
        if not report.attacks.results:
            raise InputError(f"{place}: holds no result of an attack", hint="give the report.json of a finished audit")
        outcome = "" if report.verdict is None else report.verdict.outcome
        results, level = report.attacks.results, report.attacks.results[0].auc.level
        return cls(place, report.name, report.created, outcome, results, report.artifacts, None, level)

    @classmethod
    def _of_run(cls, folder: Path) -> Side:
        run = Run(folder, Run.config_of(folder))
        if is_replicated(run.config, run):
            raise RunError(
                f"{folder}: holds what several devices answered", hint=f"compare one of them: {folder}/devices/NAME"
            )
        run.require("attack")
        outcome = str(run.read_json("results/gate.json").get("outcome", "")) if run.is_done("gate") else ""
        created = str(run.read_json("manifest.json").get("created", ""))
        findings = attack_findings(run)
        level = run.config.attack.level
        return cls(folder, run.config.name, created, outcome, findings.results, artifact_results(run), run, level)


def compare(before: Side, after: Side, *, seed: int = 0) -> Comparison:
    """Compare two audits; a change is the second's figure minus the first's.

    Where both are runs that audited the same records, or some of the same, every change is paired record by record.
    Otherwise the two count as independent, and the intervals of both are combined (MOVER). All intervals of changes
    hold at once.

    Args:
        before: the first.
        after: the second.
        seed: of the draws.

    Raises:
        RunError: scores are missing or damaged.
    """
    level = min(before.level, after.level)
    chance = 1.0 - level
    first, second = ({result.view: result for result in side.results} for side in (before, after))
    views = [view for view in first if view in second]
    rows, how = _records(before, after)
    member = rows.member if rows is not None else np.zeros(0, dtype=np.bool_)
    fprs = _shared_rates([(first[view], second[view]) for view in views])
    if rows is None:
        changes = tuple(_independent(first, second, views, fprs, level=level, chance=VIEWS_SHARE * chance))
        strongest = _strongest_apart(before, after, level=1.0 - STRONGEST_SHARE * chance)
    else:
        changes = tuple(_paired(rows, first, second, views, fprs, level=level, chance=VIEWS_SHARE * chance, seed=seed))
        strongest = _strongest_paired(rows, before, after, level=1.0 - STRONGEST_SHARE * chance, seed=seed)
    return Comparison(
        before=str(before.place),
        after=str(after.place),
        names=(before.name, after.name),
        created=(before.created, after.created),
        outcomes=(before.outcome, after.outcome),
        how=how,
        paired=(int(member.sum()), int((~member).sum())) if rows is not None else None,
        level=level,
        strongest=strongest,
        changes=changes,
        artifacts=tuple(_artifacts(before, after, chance=ARTIFACTS_SHARE * chance)),
        only_before=tuple(view for view in first if view not in second),
        only_after=tuple(view for view in second if view not in first),
    )


def _records(before: Side, after: Side) -> tuple[Rows | None, str]:
    """The records of both in one order, and how they are compared, as a sentence."""
    if before.run is None or after.run is None:
        return None, "not paired: a report holds no scores; the two audits count as independent (MOVER)"
    try:
        both = paired(after.run, before.run, common=True)
    except RunError as error:  # an older run may lack what tells its records apart
        return None, f"not paired: {error.message}; the two audits count as independent (MOVER)"
    if both.rows is None:
        return None, both.why
    sides = int(both.rows.member.sum()), int((~both.rows.member).sum())
    if min(sides) < MIN_SIDE_RECORDS:
        reason = f"only {sides[0]} members and {sides[1]} non-members are in both"
        return None, f"not paired: {reason}; the two audits count as independent (MOVER)"
    return both.rows, both.why


def _shared_rates(pairs: Sequence[tuple[Result, Result]]) -> tuple[str, ...]:
    """The false-positive rates that both audits measured."""
    return tuple(dict.fromkeys(rate for one, other in pairs for rate in one.tpr_at_fpr if rate in other.tpr_at_fpr))


def _paired(
    rows: Rows,
    first: dict[View, Result],
    second: dict[View, Result],
    views: Sequence[View],
    fprs: Sequence[str],
    *,
    level: float,
    chance: float,
    seed: int,
) -> Iterator[Change]:
    """Paired changes of each view, at the level that makes all of them hold at once."""
    member = rows.member
    membership = member.astype(np.int64)
    counts = (int(member.sum()), int((~member).sum()))
    drawn = stats.sample(member, seed=seed)
    columns: list[FloatArray] = []
    for view in views:
        scores = rows.theirs(view), rows.ours(view)
        effect = math.sqrt(max(first[view].design_effect, second[view].design_effect))
        old, new = (stats.placements_per_record(one, member)[drawn] for one in scores)
        columns.append(effect * (new - old))
        for fpr in fprs:
            curves = [stats.roc(one, membership) for one in scores]
            parts = [
                stats.tpr_parts(curve, one[drawn], member[drawn], float(fpr))
                for curve, one in zip(curves, scores, strict=True)
            ]
            columns.append(effect * (parts[1] - parts[0]))
    if not columns:
        return
    covariance = stats.covariance_of(np.column_stack(columns), member[drawn], counts=counts)
    pointwise = stats.simultaneous(covariance, records=min(counts), level=1.0 - chance, seed=seed).pointwise
    for view in views:
        old, new = rows.theirs(view), rows.ours(view)
        effect = max(first[view].design_effect, second[view].design_effect)
        auc = stats.auc_difference(new, old, membership, level=pointwise, design_effect=effect)
        rates = {fpr: _tpr_change(old, new, membership, float(fpr), level=pointwise, effect=effect) for fpr in fprs}
        yield Change(view, first[view].auc, second[view].auc, replace(auc, level=level), rates, first[view].is_control)


def _tpr_change(
    old: FloatArray, new: FloatArray, membership: IntArray, fpr: float, *, level: float, effect: float
) -> Estimate:
    """The change of a true-positive rate on the same records, from both intervals and their correlation.

    Zou, Toward using confidence intervals to compare correlations, Psychological Methods 2007 (dependent estimates).
    """
    member = membership == 1
    curves = [stats.roc(one, membership) for one in (old, new)]
    before, after = (stats.tpr_at_fpr(curve, fpr, level=level, design_effect=effect) for curve in curves)
    if not (before.resolvable and after.resolvable):
        return replace(Estimate.unknown(), n=len(membership), resolvable=False, needed_n=before.needed_n)
    parts = np.column_stack(
        [stats.tpr_parts(curve, one, member, fpr) for curve, one in zip(curves, (old, new), strict=True)]
    )
    covariance = stats.covariance_of(parts, member, counts=(int(member.sum()), int((~member).sum())))
    spread = math.sqrt(covariance[0, 0] * covariance[1, 1])
    # Estimated correlations of a few records overstate; none above .99 is used.
    together = min(0.99, max(0.0, float(covariance[0, 1]) / spread)) if spread > 0.0 else 0.0
    value = after.value - before.value
    down, up = (
        (after.value - after.low, before.high - before.value),
        (after.high - after.value, before.value - before.low),
    )
    low = value - math.sqrt(max(0.0, down[0] ** 2 + down[1] ** 2 - 2.0 * together * down[0] * down[1]))
    high = value + math.sqrt(max(0.0, up[0] ** 2 + up[1] ** 2 - 2.0 * together * up[0] * up[1]))
    return Estimate(value, max(-1.0, low), min(1.0, high), len(membership), "mover, paired", level)


def _independent(
    first: dict[View, Result],
    second: dict[View, Result],
    views: Sequence[View],
    fprs: Sequence[str],
    *,
    level: float,
    chance: float,
) -> Iterator[Change]:
    """Changes of each view where the records are others, at Bonferroni's level."""
    corrected = 1.0 - chance / max(1, len(views) * (1 + len(fprs)))
    for view in views:
        old, new = first[view], second[view]
        rates = {
            fpr: independent_difference(
                _widened(new.tpr_at_fpr[fpr], corrected), _widened(old.tpr_at_fpr[fpr], corrected)
            )
            for fpr in fprs
            if fpr in old.tpr_at_fpr and fpr in new.tpr_at_fpr
        }
        auc = independent_difference(_widened(new.auc, corrected), _widened(old.auc, corrected))
        yield Change(view, old.auc, new.auc, replace(auc, level=level), rates, old.is_control)


def _widened(estimate: Estimate, level: float) -> Estimate:
    """The estimate with the interval that a normal law of its width has at another level."""
    known = all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))) and 0.0 < estimate.level < 1.0
    if not known or not estimate.resolvable:
        return Estimate.unknown()
    factor = _z(level) / _z(estimate.level)
    low = estimate.value - factor * (estimate.value - estimate.low)
    high = estimate.value + factor * (estimate.high - estimate.value)
    return replace(estimate, low=low, high=high, level=level)


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(-ndtri((1.0 - min(level, HIGHEST_LEVEL)) / 2.0))


def _shipping(side: Side) -> list[Result]:
    return [one for one in side.results if not one.is_control and math.isfinite(one.auc.value)]


def _strongest_paired(rows: Rows, before: Side, after: Side, *, level: float, seed: int) -> Strongest | None:
    """The strongest attack of each audit on the common records, chosen anew in every draw of the bootstrap."""
    member = rows.member
    drawn, counts = stats.sample(member, seed=seed), (int(member.sum()), int((~member).sum()))
    results: list[Result] = []
    aucs: list[float] = []
    columns: list[FloatArray] = []
    groups: list[list[int]] = []
    for side, read in ((after, rows.ours), (before, rows.theirs)):
        groups.append([])
        for result in _shipping(side):
            values = stats.placements_per_record(read(result.view), member)
            mean = float(values[member].mean())
            groups[-1].append(len(results))
            results.append(result)
            aucs.append(mean)
            columns.append(mean + math.sqrt(result.design_effect) * (values[drawn] - mean))
    if not all(groups):
        return None
    covariance = stats.covariance_of(np.column_stack(columns), member[drawn], counts=counts)
    (one,) = stats.strongest_differences(
        np.array(aucs), covariance, [(groups[0], groups[1])], n=len(member), pairs=min(counts), seed=seed
    )
    return Strongest(
        results[one.second].view, results[one.first].view, aucs[one.second], aucs[one.first], one.estimate(level)
    )


def _strongest_apart(before: Side, after: Side, *, level: float) -> Strongest | None:
    """The strongest attack of each audit by intervals that hold for all of its attacks."""
    found = []
    for side in (before, after):
        results = _shipping(side)
        if not results:
            return None
        best = max(results, key=lambda one: one.auc.value)
        ends = [one.simultaneous.auc for one in results if math.isfinite(one.simultaneous.auc.high)]
        low, high = (max((getattr(one, end) for one in ends), default=math.nan) for end in ("low", "high"))
        estimate = replace(best.auc, low=min(low, best.auc.value), high=max(high, best.auc.value))
        found.append((best, estimate))
    (old, of_old), (new, of_new) = found
    change = independent_difference(of_new, of_old)
    return Strongest(old.view, new.view, old.auc.value, new.auc.value, replace(change, level=level))


def _artifacts(before: Side, after: Side, *, chance: float) -> Iterator[ArtifactChange]:
    """Accuracy, size and latency of each file that both audits have, and those that only one has."""
    first, second = ({(r.variant, r.runtime, r.device): r for r in side.artifacts} for side in (before, after))
    keys = list(dict.fromkeys((*first, *second)))
    level = 1.0 - chance / max(1, 2 * len(keys))
    for variant, runtime, device in keys:
        old, new = first.get((variant, runtime, device)), second.get((variant, runtime, device))
        yield ArtifactChange(
            variant=variant,
            runtime=runtime,
            device=device,
            size=(_size(old), _size(new)),
            accuracy=_between(_accuracy(old), _accuracy(new), level),
            p50_ns=_between(_latency(old), _latency(new), level, bounded=False),
            same_file=bool(old and new and old.sha256 and old.sha256 == new.sha256),
            only="" if old and new else "before" if old else "after",
        )


def _size(one: ArtifactResult | None) -> int | None:
    return None if one is None else one.size_bytes


def _accuracy(one: ArtifactResult | None) -> Estimate | None:
    return None if one is None else one.accuracy_nonmembers


def _latency(one: ArtifactResult | None) -> Estimate | None:
    return None if one is None or one.latency is None else one.latency.p50_ns


def _between(old: Estimate | None, new: Estimate | None, level: float, *, bounded: bool = True) -> Estimate | None:
    """The change of a figure of other records or other runs; None where one side lacks it."""
    if old is None or new is None:
        return None
    old, new = _widened(old, level), _widened(new, level)
    if bounded:
        return independent_difference(new, old)
    value = new.value - old.value
    low = value - math.hypot(new.value - new.low, old.high - old.value)
    high = value + math.hypot(new.high - new.value, old.value - old.low)
    return Estimate(value, low, high, old.n + new.n, "mover", level)
