"""Records of a finished run, one by one: how far each stands out, and which members are the most exposed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness import files
from harness.audit.deciding import Deciding, deciding, strongest
from harness.audit.findings import attack_findings
from harness.errors import RunError, UsageError
from harness.results import RecordFindings, RecordReading, RecordResult
from harness.stats import clopper_pearson
from harness.store import Run
from harness.subject import AUDIT, ORIGINAL
from harness.types import Array, Estimate, FloatArray, IntArray

__all__ = ["keep_exposed", "write_all"]

FILE = "results/records.json"


@dataclass(frozen=True, eq=False)
class _Scored:
    """One view's scores of all audited records, and at how many false positives each is called a member."""

    choice: Deciding
    scores: FloatArray
    false_positives: IntArray


def keep_exposed(run: Run, views: Sequence[str], *, top: int) -> RecordFindings:
    """Find the most exposed records of a run, and keep them as ``results/records.json``.

    Args:
        run: an open run whose attacks have scores.
        views: of which the readings are shown, see :func:`_chosen`; the first ranks the records. None given: the view
            whose attack did best on the shadows, and the original alone.
        top: how many records.

    Raises:
        RunError: the attacks have not been run, or have no result.
        UsageError: a view is not known, or not the only one that is called so.
    """
    choices = _chosen(run, views)
    membership, labels, ids = run.arrays.read_membership(), run.arrays.read_labels(AUDIT), run.arrays.read_ids(AUDIT)
    scored = [_scored(run, choice, membership) for choice in choices]
    first = scored[0]
    order = np.lexsort((ids, -first.scores, first.false_positives, 1 - membership))[:top]
    nonmembers = int((membership == 0).sum())
    found = RecordFindings(
        tuple(choice.view for choice in choices),
        len(membership) - nonmembers,
        nonmembers,
        tuple(
            RecordResult(
                int(ids[row]),
                int(labels[row]),
                bool(membership[row]),
                tuple(_reading(one, int(row), nonmembers, run.config.attack.level) for one in scored),
            )
            for row in order
        ),
    )
    run.write_json(FILE, found.to_json())
    return found


def write_all(run: Run, out: Path) -> tuple[str, ...]:
    """Write the scores of all audited records as an .npz file, readable by its owner alone.

    Its keys are ``ids``, ``labels`` and ``membership``, each ``[n]``, and for each view that ships
    ``scores/<adversary>/<attack>/<variants>`` (the runtime before it where there is one).

    Args:
        run: an open run whose attacks have scores.
        out: the file.

    Returns:
        The keys of the views.

    Raises:
        RunError: the attacks have not been run, or have no result.
        StorageError: the file cannot be written.
    """
    table: dict[str, Array] = {
        "ids": run.arrays.read_ids(AUDIT),
        "labels": run.arrays.read_labels(AUDIT),
        "membership": run.arrays.read_membership(),
    }
    views = [choice.view for choice in _all(run)]
    table |= {f"scores/{view.key}": run.arrays.read_scores(view.key) for view in views}
    buffer = io.BytesIO()
    np.savez(buffer, **table)  # type: ignore[arg-type]
    files.write(out, buffer.getvalue(), parents=True)
    return tuple(view.key for view in views)


def _all(run: Run) -> tuple[Deciding, ...]:
    run.require("attack")
    choices = deciding(attack_findings(run).results)
    if not choices:
        raise RunError(f"{run.folder}: no attack has a result", hint="audit with attacks that its records suffice for")
    return choices


def _chosen(run: Run, views: Sequence[str]) -> list[Deciding]:
    """The views that are asked for, by their variants (``original,int8``) or by their key (``litert/NR/int8``)."""
    choices = _all(run)
    if views:
        return list({(one := _named(text, choices)).view: one for text in views}.values())
    alone = [one for one in choices if one.view.variants == (ORIGINAL,)]
    default = (strongest(choices), strongest(alone))
    return list({one.view: one for one in default if one is not None}.values())


def _named(text: str, choices: Sequence[Deciding]) -> Deciding:
    keys = {one.view.of_any_attack.key: one for one in choices}
    named = {key: one for key, one in keys.items() if text in (key, ",".join(one.view.variants))}
    if len(named) == 1:
        return next(iter(named.values()))
    if named:
        raise UsageError(f"--view {text}: several views are called so", hint=f"give one of {', '.join(named)}")
    raise UsageError(f"--view {text}: the run has no such view", hint=f"it has {', '.join(keys)}")


def _scored(run: Run, choice: Deciding, membership: IntArray) -> _Scored:
    scores = run.arrays.read_scores(choice.view.key)
    others = np.sort(scores[membership == 0])
    return _Scored(choice, scores, len(others) - np.searchsorted(others, scores, side="left"))


def _reading(one: _Scored, row: int, nonmembers: int, level: float) -> RecordReading:
    count, effect = int(one.false_positives[row]), one.choice.result.design_effect
    low, high = clopper_pearson(count / effect, nonmembers / effect, level=level)
    rate = Estimate(count / nonmembers, low, high, nonmembers, "clopper-pearson", level)
    return RecordReading(float(one.scores[row]), rate)
