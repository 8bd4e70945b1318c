"""Stage `attack`: answers -> membership scores, measured with intervals; one runtime is one adversary's world."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from harness import attacks
from harness.audit.accuracy import accuracies
from harness.audit.context import Context
from harness.audit.curves import strongest_curves
from harness.audit.privacy import keep_privacy, of_answers, of_run
from harness.audit.slices import keep_slices
from harness.config import AuditConfig
from harness.results import AttackFindings, Increase, Result, Simultaneous, Skipped
from harness.stats import null_calibration
from harness.store import Run
from harness.subject import AUDIT, TARGET, observations
from harness.subject.answers import AnswersSubject
from harness.subject.observations import Evidence
from harness.types import IntArray, Observations

__all__ = ["attack", "evaluate_all"]

# Runtime -> the target's and the shadows' observations.
Observer = Callable[[str], tuple[Observations, list[Observations]]]


def attack(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Run every attack on what was collected, per runtime; finished fits are kept and taken up again.

    Returns:
        The results, the attacks that lacked an input, and how often their intervals miss AUC 0.5 beside what permuted
        labels would do.
    """
    if config.kind == "answers":
        return _attack_answers(config, run, context)
    run.require("collect")
    evidence = Evidence.read(run)
    findings = evaluate_all(
        config,
        run,
        context,
        lambda runtime: observations.read(run, runtime),
        runtimes=evidence.runtimes,
        controls=evidence.controls,
        names=config.attack.names,
    )
    _keep_curves(run, findings, run.arrays.read_membership())
    keep_slices(config, run, findings, devices=context.devices)
    keep_privacy(config, run, findings, of_run(run))
    return findings.to_json()


def _attack_answers(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """The same for answers that exist already: they are one world, with no runtime of its own."""
    audited = AnswersSubject.load(config, run)
    target = audited.target
    assert config.answers is not None  # noqa: S101 - the configuration is of this kind
    assert target.membership is not None  # noqa: S101 - the reader refuses a target without
    controls = config.answers.controls
    run.write_json("data.json", audited.summary())
    run.arrays.write_population(AUDIT, labels=target.labels, ids=audited.rows)
    run.arrays.write_groups(AUDIT, target.groups)
    run.arrays.write_membership(AUDIT, TARGET, membership=target.membership, training=target.membership)
    findings = evaluate_all(
        config,
        run,
        context,
        lambda _runtime: (target, list(audited.shadows)),
        runtimes=("",),
        controls=controls,
        names=config.attack.names,
    )
    _keep_curves(run, findings, target.membership)
    keep_slices(config, run, findings, devices=context.devices)
    keep_privacy(config, run, findings, of_answers(audited.canaries, target, audited.shadows))
    rows = accuracies(audited.whole(), runtime="", level=config.attack.level, controls=controls)
    return findings.to_json() | {"artifacts": [row.to_json() for row in rows]}


def evaluate_all(
    config: AuditConfig,
    run: Run,
    context: Context,
    observe: Observer,
    *,
    runtimes: Sequence[str],
    controls: Sequence[str],
    names: Sequence[str] | None,
    place: str = "",
) -> AttackFindings:
    """Evaluate attacks on what an adversary sees of each runtime, and keep their scores.

    Args:
        config: the audit.
        run: its open folder.
        context: progress.
        observe: gives the observations of a runtime.
        runtimes: where the variants run.
        controls: variants that are compared with and do not ship.
        names: attacks; None runs the default set.
        place: put before the scores' keys, where these observations are not the audit's own.
    """
    results: list[attacks.AttackResult] = []
    skipped: list[Skipped] = []
    increases: list[Increase] = []
    corrections: dict[str, Simultaneous] = {}
    membership: IntArray | None = None
    for runtime in runtimes:
        target, shadows = observe(runtime)
        membership = target.membership
        evaluation = attacks.evaluate(
            target,
            shadows,
            attacks=names,
            controls=controls,
            level=config.attack.level,
            fprs=config.attack.fprs,
            families=len(runtimes) * context.devices,
            seed=config.seed,
            n_jobs=config.jobs or -1,
            runtime=runtime,
            memory=run.arrays.fits(attacks.digest(target, shadows, seed=config.seed), place=place),
            progress=context.under(" ".join(filter(None, ("attack", place + runtime)))),
        )
        for result in evaluation.results:
            run.arrays.write_scores(place + result.view.key, result.scores)
        results += evaluation.results
        skipped += evaluation.skipped
        increases += evaluation.increases
        if evaluation.correction is not None:
            corrections[runtime] = evaluation.correction
    scores = {result.view.key: result.scores for result in results}
    null = None
    if scores and membership is not None:
        effects = {result.view.key: result.design_effect for result in results}
        null = null_calibration(
            scores, membership, level=config.attack.level, seed=config.seed, design_effects=effects
        ).summary()
    return AttackFindings(tuple(results), tuple(skipped), null, tuple(increases), corrections)


def _keep_curves(run: Run, findings: AttackFindings, membership: IntArray) -> None:
    """Draw the curves that the report shows while the scores are at hand: a report then reads no array."""
    scored: Iterator[Result] = (result for result in findings.results if not result.is_control)
    curves = strongest_curves(scored, lambda view: run.arrays.read_scores(view.key), membership)
    run.write_json("results/curves.json", {label: curve.to_json() for label, curve in curves.items()})
