"""The face of this room: run attacks on a target, with shadows or cross-fitted over known members."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import joblib
import numpy as np
import threadpoolctl  # type: ignore[import-untyped]

from harness.attacks._base import DEFAULT_FOLDS, BaseAttack
from harness.attacks._cache import Cache
from harness.attacks._folds import fold_of_rows, membership_of
from harness.attacks._measure import Scored, Task, measure
from harness.attacks._memory import Fit, Forgetful, Memory
from harness.attacks._registry import attack_class, headline
from harness.attacks._result import Evaluation
from harness.errors import InputError, UnresolvedError, UsageError
from harness.results import Skipped
from harness.types import Adversary, FloatArray, IntArray, Observations, View

__all__ = ["MIN_SIDE_RECORDS", "check_size", "evaluate"]

# Members, and non-members, below which five folds of training and an interval say nothing: at 25 + 25 records the
# interval of an AUC of one half is still 0.16 to either side.
MIN_SIDE_RECORDS = 25
# Cross-fitting trains everything once per outer fold; fewer inner folds keep that affordable.
INNER_FOLDS = 3

# OpenMP's threads inside boosting and BLAS mostly wait for one another at these sizes: boosting 1,400 rows took up to
# fifty times longer with two threads on a busy machine, and gained nothing on an idle one. Forests use other threads.
OPENMP_THREADS = 1

Progress = Callable[[str, int, int], None]


def evaluate(
    target: Observations,
    shadows: Sequence[Observations] = (),
    *,
    attacks: Sequence[str] | None = None,
    variants: Sequence[str] | None = None,
    original: str = "original",
    controls: Sequence[str] = (),
    level: float = 0.95,
    fprs: Sequence[float] = (0.01, 0.001),
    families: int = 1,
    seed: int = 0,
    n_jobs: int = 1,
    runtime: str = "",
    device: str = "",
    memory: Memory | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Attack a target whose membership is known, and say how much it leaks.

    With shadows every attack learns from them alone. Without any, it is cross-fitted over the target's own records:
    five folds by record, each scored by an attack that was fitted on the other four, cuts included.

    Args:
        target: the audited model's answers, with membership.
        shadows: the shadow models' answers to their own records, with membership.
        attacks: registered names; None runs the default set.
        variants: what to look at; None takes all that the target has.
        original: name of the uncompressed variant.
        controls: variants that are controls; attacked by NR and SR, left out of MR.
        level: nominal coverage of every interval.
        fprs: false-positive rates at which the true-positive rate is reported.
        families: evaluations whose simultaneous intervals shall hold together, e.g. the number of runtimes.
        seed: of every random choice; the same seed gives the same bits.
        n_jobs: threads that grow forests; -1 takes every core.
        runtime: where the variants run; names the results.
        device: which device they run on; names the results where there are several.
        memory: keeps each attack's scores as they come, and gives back those of an interrupted evaluation.
        progress: called as ``progress(text, done, total)``.

    Returns:
        Results, and the attacks that could not run with the reason.

    Raises:
        UsageError: an attack's name is unknown.
        InputError: membership is missing or has one class only, a named variant is not in the target, or some records
            are canaries.
        UnresolvedError: there are too few records.
    """
    if target.canaries is not None:
        raise InputError(
            f"{target.name}/canary: canaries are no ordinary records, and no figure of these may have them",
            hint="evaluate the ordinary records: target.ordinary",
        )
    membership = check_size(target, needs_membership_of=shadows)
    names = headline() if attacks is None else tuple(dict.fromkeys(attacks))
    seen = tuple(target.variants if variants is None else dict.fromkeys(variants))
    for variant in seen:
        if variant not in target.variants:
            raise InputError(
                f"{target.name}: variant {variant!r} is missing", hint=f"present: {', '.join(target.variants)}"
            )
    tasks, skipped = _plan(names, seen, original, controls, runtime, device)
    n_jobs = joblib.effective_n_jobs(n_jobs)
    with threadpoolctl.threadpool_limits(limits=OPENMP_THREADS):
        score = _with_shadows if shadows else _cross_fitted
        scored, failed = score(
            tasks, target, shadows, original, seed, n_jobs, memory or Forgetful(), progress or _silent
        )
    measured = measure(
        scored,
        membership,
        original=original,
        controls=controls,
        level=level,
        families=families,
        fprs=fprs,
        references=len(target.references),
        seed=seed,
    )
    return Evaluation(
        results=measured.results,
        skipped=(*skipped, *failed),
        increases=measured.increases,
        correction=measured.correction,
    )


def check_size(target: Observations, *, needs_membership_of: Sequence[Observations] = ()) -> IntArray:
    """The target's membership, once it is sure that records of both kinds are there, and enough of them.

    Raises:
        InputError: membership is missing somewhere, or has one class only.
        UnresolvedError: too few records; the message says how many are needed.
    """
    for one in (target, *needs_membership_of):
        membership = membership_of(one)
        members = int(membership.sum())
        nonmembers = len(membership) - members
        for count, side in ((members, "members"), (nonmembers, "non-members")):
            if count == 0:
                raise InputError(
                    f"{one.name}/membership: there are no {side}",
                    hint="leakage is a contrast; give records of both kinds",
                )
        if min(members, nonmembers) < MIN_SIDE_RECORDS:
            raise UnresolvedError(
                f"{one.name}: {members} members and {nonmembers} non-members are too few",
                hint=f"needs at least {MIN_SIDE_RECORDS} of each, {2 * MIN_SIDE_RECORDS} records in all",
            )
    return membership_of(target)


def _plan(
    names: Sequence[str],
    seen: Sequence[str],
    original: str,
    controls: Sequence[str],
    runtime: str,
    device: str,
) -> tuple[list[Task], list[Skipped]]:
    """The views of each attack: NR one variant, SR a pair with the original, MR all with and without the original."""
    tasks: list[Task] = []
    skipped: list[Skipped] = []
    compressed = tuple(v for v in seen if v != original)
    shipped = tuple(v for v in compressed if v not in controls)
    classes = {name: attack_class(name) for name in names}
    adversaries: tuple[Adversary, ...] = ("NR", "SR", "MR")
    for adversary in adversaries:
        for name, attack in classes.items():
            if attack.adversary != adversary:
                continue
            if adversary == "NR":
                views: list[tuple[str, ...]] = [(v,) for v in seen]
                reason = "no variant is visible"
            elif adversary == "SR":
                views = [(original, v) for v in compressed] if original in seen else []
                reason = f"needs {original!r} and one more variant"
            else:
                views = [(original, *shipped)] if original in seen and shipped else []
                views += [shipped] if len(shipped) > 1 else []
                # The original and a single variant are SR's view already.
                views = [v for v in views if len(shipped) > 1]
                reason = "needs at least two compressed variants"
            tasks += [Task(View(adversary, name, view, runtime, device), attack) for view in views]
            if not views:
                skipped.append(Skipped(View(adversary, name, tuple(seen), runtime, device), reason))
    return tasks, skipped


def _with_shadows(
    tasks: Sequence[Task],
    target: Observations,
    shadows: Sequence[Observations],
    original: str,
    seed: int,
    n_jobs: int,
    memory: Memory,
    progress: Progress,
) -> tuple[list[Scored], list[Skipped]]:
    """Fit each task on the shadows and score the target."""
    cache = Cache(target)
    scored: list[Scored] = []
    failed: list[Skipped] = []
    for done, task in enumerate(tasks):
        progress(_text(task), done, len(tasks))
        fit = memory.read(task.view.key)
        if fit is None:
            attack = task.build(original=original, seed=seed, n_jobs=n_jobs, folds=DEFAULT_FOLDS, cache=cache)
            try:
                scores = _finite(attack.fit(shadows).score(target))
            except (UsageError, UnresolvedError) as error:
                failed.append(task.skipped(str(error)))
                continue
            fit = _fit(attack, target, scores)
            memory.write(task.view.key, fit)
        scored.append(Scored(task, fit.scores, fit.cut, [fit]))
    progress("done", len(tasks), len(tasks))
    return scored, failed


def _cross_fitted(
    tasks: Sequence[Task],
    target: Observations,
    _: Sequence[Observations],
    original: str,
    seed: int,
    n_jobs: int,
    memory: Memory,
    progress: Progress,
) -> tuple[list[Scored], list[Skipped]]:
    """Fit each task on four fifths of the target and score the rest, for each fifth.

    Two learned attacks are on slightly different scales, so a fold's scores are centred on their median, which looks
    at no membership. Scores of a fixed formula are left alone.
    """
    n = len(target)
    fold = fold_of_rows([target], folds=DEFAULT_FOLDS, seed=seed)
    scored = {task: Scored(task, np.empty(n), np.empty(n), cross_fitted=True) for task in tasks}
    failed: dict[Task, Skipped] = {}
    for k in range(DEFAULT_FOLDS):
        held = np.flatnonzero(fold == k)
        train, test = target.take(np.flatnonzero(fold != k)), target.take(held)
        cache = Cache(test)
        for done, task in enumerate(tasks):
            progress(_text(task), k * len(tasks) + done, DEFAULT_FOLDS * len(tasks))
            if task in failed:
                continue
            key = f"{task.view.key}/fold-{k}"
            fit = memory.read(key)
            if fit is None:
                attack = task.build(original=original, seed=seed, n_jobs=n_jobs, folds=INNER_FOLDS, cache=cache)
                try:
                    fit = _fit(attack, test, _finite(attack.fit([train]).score(test)))
                except (UsageError, UnresolvedError) as error:
                    failed[task] = task.skipped(str(error))
                    continue
                memory.write(key, fit)
            centre = float(np.median(fit.scores)) if task.attack.learned else 0.0
            scored[task].scores[held] = fit.scores - centre
            scored[task].cut[held] = fit.cut - centre
            scored[task].fits.append(fit)
    progress("done", DEFAULT_FOLDS * len(tasks), DEFAULT_FOLDS * len(tasks))
    return [scored[t] for t in tasks if t not in failed], list(failed.values())


def _fit(attack: BaseAttack, target: Observations, scores: FloatArray) -> Fit:
    return Fit(scores, attack.cut_of(target), attack.shadow_auc, attack.cut_note, dict(attack.chosen))


def _finite(scores: FloatArray) -> FloatArray:
    """The scores, once it is sure that all can be ranked: one attack's failure must not take the others with it."""
    bad = scores[~np.isfinite(scores)]
    if len(bad):
        raise InputError(f"gave {len(bad)} records a score of {bad[0]}", hint="only finite scores can be ranked")
    return scores


def _text(task: Task) -> str:
    return f"{task.view.attack} on {', '.join(task.view.variants)}"


def _silent(_text: str, _done: int, _total: int) -> None:
    """Report to nobody."""
