"""Which files of a finished run may be released together: what every set of them leaks, costs and is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from harness.attacks import SetAttack, check_size, set_attacks
from harness.audit.findings import artifact_results, attack_findings
from harness.audit.replicas import is_replicated
from harness.compare.planner_leakage import Leakage, Look, measure
from harness.compare.planner_observed import observed_of, together
from harness.compare.planner_result import File, FileSet, Plan, Planned, Preference
from harness.compare.planner_search import (
    EXHAUSTIVE_TO,
    MOST_FILES,
    all_sets,
    grown_sets,
    in_order,
    largest_possible,
    places_of,
)
from harness.compare.planner_verdicts import best_of, front_of, judge_sets, outcome_of, unjudged
from harness.config import GateRule
from harness.errors import RunError, UsageError
from harness.results import Result
from harness.store import Run
from harness.subject import ORIGINAL
from harness.types import Adversary, FloatArray, IntArray, Observations, View

__all__ = ["Asked", "plan", "plan_sets"]

Progress = Callable[[str, int, int], None]
# Threads of BLAS mostly wait for one another at these sizes.
BLAS_THREADS = 1
# Non-members above the threshold that a true-positive rate needs: `harness.stats.tpr_at_fpr` resolves none with fewer.
LEAST_FALSE_POSITIVES = 10.0
ROUNDING = 1e-9


@dataclass(frozen=True)
class Asked:
    """What is planned.

    Args:
        rules: what every set is held against.
        policy: where they come from, as a sentence.
        prefer: what makes one passing set better than another.
        variants: the variants that may be released; None takes all but controls.
        across_runtimes: files of all runtimes are planned together, instead of each runtime by itself.
        exhaustive_to: up to so many files all sets are measured.
    """

    rules: tuple[GateRule, ...]
    policy: str = ""
    prefer: Preference = "variants"
    variants: tuple[str, ...] | None = None
    across_runtimes: bool = False
    exhaustive_to: int = EXHAUSTIVE_TO


def plan(run: Run, asked: Asked, progress: Progress) -> Plan:
    """Plan the release of a run's files.

    Args:
        run: an open run with the stage `attack` done.
        asked: what is planned.
        progress: called as ``progress(text, done, total)``.

    Raises:
        RunError: the run is not far enough, is damaged, or is that of several devices.
        UsageError: a variant is not known, or there are too many files.
    """
    run.require("attack")
    if is_replicated(run.config, run):
        raise RunError(
            f"{run.folder}: holds what several devices answered",
            hint=f"plan for one of them, e.g. `edgeleak plan {run.folder}/devices/NAME`",
        )
    observed = [one for one in observed_of(run) if not asked.variants or set(asked.variants) & set(one.variants)]
    known = {variant for one in observed for variant in one.variants}
    for variant in asked.variants or ():
        if variant not in known:
            raise UsageError(f"--variant {variant}: is no variant of this run", hint=f"present: {', '.join(known)}")
    observed = [one.only(asked.variants) for one in observed] if asked.variants else observed
    if asked.across_runtimes and len(observed) > 1:
        observed = [together(observed)]
    findings, artifacts = attack_findings(run), artifact_results(run)
    rules = tuple(rule for rule in asked.rules if not unjudged(rule))
    # That every file answers as its reference does says nothing about leakage.
    held = replace(asked, rules=rules if any(rule.kind != "max_flip_share" for rule in rules) else ())
    costs = {
        (row.variant, row.runtime): File(
            row.variant,
            row.runtime,
            row.size_bytes,
            None if row.latency is None else _finite(row.latency.p50_ns.value),
            None if row.accuracy_nonmembers is None else _finite(row.accuracy_nonmembers.value),
            None if row.parity is None else _finite(row.parity.flip_share),
        )
        for row in artifacts
    }
    planned = [
        plan_sets(
            one.target,
            one.shadows,
            [costs.get(file, File(*file, None, None, None)) for file in one.files],
            held,
            names=one.variants,
            runtime=one.runtime,
            scored=[
                (result, mask, partial(run.arrays.read_scores, result.view.key))
                for result in findings.results
                if not result.is_control and (mask := one.set_of(result.view))
            ],
            fprs=run.config.attack.fprs,
            level=run.config.attack.level,
            families=len(observed),
            seed=run.config.seed,
            progress=progress,
        )
        for one in observed
    ]
    best = best_of([one.best_set for one in planned if one.best_set is not None], asked.prefer)
    left_out = {rule.id: unjudged(rule) for rule in asked.rules if unjudged(rule)}
    with_best = [place for place, one in enumerate(planned) if one.best is not None]
    limits = [rule.limit for rule in held.rules if rule.kind == "max" and rule.metric == "auc"]
    return Plan(
        run=run.config.name,
        policy=asked.policy if held.rules else "",
        left_out=left_out,
        level=run.config.attack.level,
        prefer=asked.prefer,
        planned=tuple(planned),
        best=None if best is None else with_best[best],
        limit=min(limits, default=None),
    )


def plan_sets(
    target: Observations,
    shadows: Sequence[Observations],
    files: Sequence[File],
    asked: Asked,
    *,
    names: Sequence[str],
    runtime: str = "",
    scored: Sequence[tuple[Result, int, Callable[[], FloatArray]]] = (),
    fprs: Sequence[float] = (),
    level: float = 0.95,
    families: int = 1,
    seed: int = 0,
    progress: Progress = lambda _text, _done, _total: None,
) -> Planned:
    """Measure what sets of some files leak, and hold them against the rules.

    Args:
        target: the audited model's answers, with membership.
        shadows: the shadow models' answers, with membership.
        files: what may be released.
        asked: the rules, what is preferred, and up to how many files all sets are measured.
        names: what the files are called among the target's variants.
        runtime: of all files; empty where they differ.
        scored: results of the audit, each with the set that its attack looks at and its scores.
        fprs: false-positive rates of the audit; the lowest that the non-members resolve is shown.
        level: nominal coverage of all intervals together.
        families: plans whose intervals shall hold together, e.g. the number of runtimes.
        seed: of every random choice.
        progress: called as ``progress(text, done, total)``.

    Raises:
        InputError: membership is missing or has one class only.
        UnresolvedError: there are too few records.
        UsageError: there are too many files.
    """
    membership = check_size(target, needs_membership_of=shadows)
    if len(files) > MOST_FILES:
        raise UsageError(
            f"{len(files)} files: a plan takes {MOST_FILES} at most", hint="name those that may ship with --variant"
        )
    exhaustive = len(files) <= asked.exhaustive_to
    where = f"plan {runtime}".rstrip()
    with threadpoolctl.threadpool_limits(limits=BLAS_THREADS):
        attacks, skipped = set_attacks(target, shadows, names, seed=seed)
        on_shadows = bool(shadows)
        if not on_shadows:
            # Every attack counts and is paid for: two that differ find nearly what four do.
            kept = ("rmia-joint", "linear-joint") if target.references else ("linear-joint", "confidence-joint")
            attacks = tuple(attack for attack in attacks if attack.name in kept)
        made = _Looks(attacks, on_shadows, lambda done, total: progress(f"{where}: sets", done, total))
        seen = [mask for _, mask, _ in scored]
        if exhaustive:
            masks = all_sets(len(files))
            made.expect(len(masks))
        else:
            cost = made.shadow_leakage if on_shadows else _novelty(target, names)
            masks = grown_sets(len(files), cost, also=seen)
        masks = in_order(masks)
        looks = [look for mask in masks for look in made.on(mask)]
        looks += [
            Look(result.attack, mask, scores, result.shadow_auc, result.design_effect)
            for result, mask, scores in scored
            if not on_shadows or result.trained_on == "shadows"
        ]
        shown = _lowest_resolved(fprs, membership)
        wanted = {rule.at_fpr for rule in asked.rules if rule.at_fpr is not None and rule.kind == "max"}
        leakage = measure(
            masks,
            looks,
            membership,
            chosen_on_shadows=on_shadows,
            fprs=sorted(wanted | ({shown} if shown is not None else set())),
            level=1.0 - (1.0 - level) / families,
            seed=seed,
            progress=lambda text, done, total: progress(f"{where}: {text}", done, total),
        )
    sets = _file_sets(leakage, files, asked.rules, fpr=shown)
    passing = {mask for mask, one in zip(masks, sets, strict=True) if one.outcome == "pass"}
    best = best_of(sets, asked.prefer)
    largest = max((len(places_of(mask)) for mask in passing), default=0)
    return Planned(
        runtime=runtime,
        files=tuple(files),
        sets=sets,
        exhaustive=exhaustive,
        possible=(1 << len(files)) - 1,
        at_most=largest if exhaustive else largest_possible(len(files), passing),
        best=best,
        correction=leakage.correction,
        attacks=tuple(attack.name for attack in attacks),
        skipped=skipped,
        chosen_on_shadows=on_shadows,
        fpr=shown,
    )


class _Looks:
    """The joint attacks on sets, each made once; progress is told set by set."""

    def __init__(self, attacks: Sequence[SetAttack], on_shadows: bool, tell: Callable[[int, int], None]) -> None:
        self._attacks, self._on_shadows, self._tell = attacks, on_shadows, tell
        self._made: dict[int, tuple[Look, ...]] = {}
        self._expected = 0

    def expect(self, count: int) -> None:
        """Say how many sets there will be, where that is known."""
        self._expected = count

    def on(self, mask: int) -> tuple[Look, ...]:
        """All joint attacks on a set."""
        if mask not in self._made:
            places = places_of(mask)
            self._made[mask] = tuple(
                Look(
                    attack.name,
                    mask,
                    lambda attack=attack: attack.scores(places),  # type: ignore[misc]
                    attack.shadow_auc(places) if self._on_shadows else math.nan,
                    attack.design_effect,
                )
                for attack in self._attacks
            )
            self._tell(len(self._made), max(self._expected, len(self._made)))
        return self._made[mask]

    def shadow_leakage(self, mask: int) -> float:
        """The largest AUC of the attacks on a set, on the shadows."""
        return max((0.0 if math.isnan(one.shadow_auc) else one.shadow_auc for one in self.on(mask)), default=0.0)


def _novelty(target: Observations, names: Sequence[str]) -> Callable[[int], float]:
    """How little the files of a set say that the others do not: what a chain grows by where no shadow can choose.

    The determinant of the correlation of the files' confidences; it looks at no membership.
    """
    answers = np.column_stack([target.log_confidences_of(name).max(axis=1) for name in names])
    correlation = np.corrcoef(answers.T) if len(names) > 1 else np.ones((1, 1))
    correlation = np.nan_to_num(correlation) + 1e-9 * np.eye(len(names))

    def cost(mask: int) -> float:
        at = list(places_of(mask))
        return float(np.linalg.slogdet(correlation[np.ix_(at, at)])[1])

    return cost


def _file_sets(
    leakage: Leakage, files: Sequence[File], rules: Sequence[GateRule], *, fpr: float | None
) -> tuple[FileSet, ...]:
    views = [_view(look, files) for look in leakage.looks]
    alone = [mask for mask in leakage.masks if [files[at].variant for at in places_of(mask)] == [ORIGINAL]]
    original = leakage.masks.index(alone[0]) if alone else None
    of_rules = [judge_sets(rule, leakage, views, files, original=original) for rule in rules]
    increases = None if original is None else leakage.increases(original, np.ones(len(views), dtype=np.bool_))
    sets = []
    for place, mask in enumerate(leakage.masks):
        held = tuple(outcomes[place] for outcomes in of_rules)
        sets.append(
            FileSet(
                files=tuple(files[at] for at in places_of(mask)),
                leakage=leakage.of(place),
                strongest=_view(leakage.strongest(place), files),
                tpr=None if fpr is None else leakage.tpr_of(place, fpr),
                increase=None if increases is None or place == original else increases[place],
                outcome=outcome_of(held),
                rules=held,
            )
        )
    return tuple(replace(one, on_front=front) for one, front in zip(sets, front_of(sets), strict=True))


def _view(look: Look, files: Sequence[File]) -> View:
    """What an attack looks at, as results name it: the original first."""
    seen = sorted((files[at] for at in places_of(look.mask)), key=lambda file: file.variant != ORIGINAL)
    runtimes = {file.runtime for file in seen}
    variants = tuple(file.variant for file in seen)
    is_pair = len(seen) == 2 and variants[0] == ORIGINAL
    adversary: Adversary = "NR" if len(seen) == 1 else "SR" if is_pair else "MR"
    return View(adversary, look.attack, variants, runtimes.pop() if len(runtimes) == 1 else "")


def _lowest_resolved(fprs: Sequence[float], membership: IntArray) -> float | None:
    nonmembers = int((membership == 0).sum())
    return min((fpr for fpr in fprs if fpr * nonmembers + ROUNDING >= LEAST_FALSE_POSITIVES), default=None)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
