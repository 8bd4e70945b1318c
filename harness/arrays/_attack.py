"""Attacks on answers from anywhere, without a run: what they find is handed back, and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.arrays._findings import ArrayFindings
from harness.arrays._sources import IN_MEMORY, digests, opened
from harness.attacks import Evaluation, evaluate
from harness.audit.accuracy import accuracies
from harness.config import AttackConfig, validate
from harness.data import answers as attack_arrays
from harness.data.answer_tables import TableAnswers
from harness.data.exposed_outputs import VECTOR, require_usable
from harness.results import NullSummary
from harness.stats import null_calibration
from harness.types import IntArray, Observations

__all__ = ["FPRS", "TOP_K", "attack"]

Progress = Callable[[str, int, int], None]
# Rates at which the true-positive rate is reported where none is named.
FPRS = (0.01, 0.001)
# Classes that an app shows of the largest where it is not said.
TOP_K = AttackConfig().top_k


def attack(
    answers: object = None,
    *,
    shadows: Sequence[object] = (),
    labels: object = None,
    membership: object = None,
    confidences: Mapping[str, object] | None = None,
    logits: Mapping[str, object] | None = None,
    ids: object = None,
    attacks: Sequence[str] | None = None,
    shown: str = "vector",
    top_k: int = TOP_K,
    level: float = 0.95,
    fprs: Sequence[float] = FPRS,
    seed: int = 0,
    jobs: int = -1,
    progress: Progress | None = None,
) -> ArrayFindings:
    """Attack answers whose membership is known, and say how much they leak.

    With shadows every attack learns from them alone; without any it is cross-fitted over the target's own records.

    Args:
        answers: the path of an .npz, .csv or .parquet file, a DataFrame (pandas or polars), a pyarrow Table, or arrays
            by the keys that an .npz has (`harness.data.answers`; columns: `harness.data.answer_columns`). None where
            the arrays are given one by one.
        shadows: shadow models' answers to records of their own: tables where the target's are one, else mappings with
            ``labels``, ``membership`` and ``confidences`` or ``logits``. An .npz file holds its own.
        labels: true class of each record, from 0 ``[n]``.
        membership: 1 for members, 0 for non-members ``[n]``.
        confidences: variant -> ``[n, C]``, rows sum to one; ``original`` is the uncompressed model.
        logits: variant -> ``[n, C]``; better than confidences where there are any.
        ids: stable id of each record, a whole number ``[n]``.
        attacks: names; None runs the default set.
        shown: what the app shows of its answers: ``vector``, ``top-k`` or ``label``.
        top_k: how many classes it shows, with ``top-k``.
        level: nominal coverage of the intervals.
        fprs: false-positive rates at which the true-positive rate is reported.
        seed: the same seed gives the same answer.
        jobs: threads; -1 takes every core.
        progress: called with (label, done, total).

    Returns:
        What every attack found, with its scores; those that lack an input are listed with what they lack.

    Raises:
        InputError: an array or a cell cannot be used; its key, or column and row, is named.
        UnresolvedError: there are too few records.
        UsageError: an attack is not known, or needs more than the app shows.
    """
    settings = validate(
        AttackConfig,
        {"level": level, "fprs": tuple(fprs), "answers": shown, "top_k": top_k},
        source="attack",
    )
    parts = {
        "labels": labels,
        "membership": membership,
        "confidences": confidences,
        "logits": logits,
        "ids": ids,
    }
    with opened(answers, shadows, parts) as archive:
        exposure = attack_arrays.exposure_of(archive, settings)
        require_usable(attacks, exposure)
        target, others = attack_arrays.load(archive, exposure)
        # Accuracy is that of the answers, and not of votes.
        whole = target if exposure == VECTOR else attack_arrays.load(archive, VECTOR)[0]
        texts = archive.id_texts if isinstance(archive, TableAnswers) else None
    names = _ids(target, texts)
    # An audit with a run looks at canaries, alone.
    target, whole = target.ordinary, whole.ordinary
    evaluation = evaluate(
        target,
        others,
        attacks=attacks,
        level=level,
        fprs=settings.fprs,
        seed=seed,
        n_jobs=jobs,
        progress=None if progress is None else lambda _text, done, total: progress("attack", done, total),
    )
    assert target.membership is not None  # noqa: S101 - the reader refuses a target without
    files = [Path(one) for one in (answers, *shadows) if isinstance(one, str | Path)]
    return ArrayFindings(
        name=files[0].stem if files else IN_MEMORY,
        evaluation=evaluation,
        null=_null(evaluation, target.membership, level, seed),
        accuracies=tuple(accuracies(whole, runtime="", level=level)),
        labels=target.labels,
        membership=target.membership,
        ids=names,
        population=0 if target.population is None else len(target.population),
        shadows=len(others),
        exposure=exposure,
        seed=seed,
        inputs_sha256=digests(files),
    )


def _ids(target: Observations, texts: Sequence[str] | None) -> tuple[str, ...] | tuple[int, ...]:
    """How a person knows the ordinary records: by their ids as they were written, else by their rows from 0."""
    rows = np.arange(len(target)) if target.canary is None else np.flatnonzero(target.canary == 0)
    if texts is not None:
        return tuple(texts[row] for row in rows.tolist())
    known = np.arange(len(target)) if target.ids is None else target.ids
    return tuple(known[rows].tolist())


def _null(evaluation: Evaluation, membership: IntArray, level: float, seed: int) -> NullSummary | None:
    """What shuffled memberships would give; None where nothing ran."""
    scores = {result.view.key: result.scores for result in evaluation.results}
    effects = {result.view.key: result.design_effect for result in evaluation.results}
    if not scores:
        return None
    return null_calibration(scores, membership, level=level, seed=seed, design_effects=effects).summary()
