"""The label-aligned signals of each record that most attacks use, accurate near certainty."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import log_softmax

from harness.attacks._cache import Cache
from harness.attacks._half_step import half_step
from harness.types import PROBABILITY_FLOOR, Array, FloatArray, IntArray, Observations

__all__ = ["Signals", "signals", "signals_of", "tempered_log_p"]

# Rows of a chunk: temporaries take about 10 MB at 100 classes.
CHUNK_ROWS = 16_384
# Float32 softmax rows sum to one within this; rows of an 8-bit softmax do not, and are used as they are.
NORMALISED_WITHIN = 1e-4


@dataclass(frozen=True)
class Signals:
    """One float64 ``[n]`` array per signal; natural logarithms.

    Near certainty ``1 - p`` is summed over the other classes instead of subtracted from one, so that records whose
    confidence rounds to 1.0 still differ. Where confidences come in steps, as from an 8-bit softmax, ``p_y`` and
    ``1 - p_y`` are at least half a step instead: a zero there means less than that, and no more.

    Args:
        log_p: log-confidence of the true class (minus the cross-entropy loss).
        logit: logit-scaled confidence ``log p_y - log(1 - p_y)``.
        margin: log-confidence of the true class minus that of the best other class.
        log_max: log of the largest confidence.
        entropy: prediction entropy ``-sum_i p_i log p_i``.
        modified_entropy: ``-(1-p_y) log p_y - sum_{i != y} p_i log(1-p_i)`` (Song and Mittal, 2021).
        correct: 1.0 where the largest confidence is the true class's, else 0.0.
    """

    log_p: FloatArray
    logit: FloatArray
    margin: FloatArray
    log_max: FloatArray
    entropy: FloatArray
    modified_entropy: FloatArray
    correct: FloatArray


def signals_of(observations: Observations, variant: str, cache: Cache) -> Signals:
    """The signals of one variant, computed once per evaluation."""
    return cache.get(("signals", variant), [observations], lambda: signals(observations, variant))


def signals(observations: Observations, variant: str) -> Signals:
    """Compute the signals of one variant in chunks of rows.

    Raises:
        InputError: the variant is not visible.
    """
    values, is_logits = _answers(observations, variant)
    half = 0.0 if is_logits else half_step(values)
    exact = is_logits or bool((np.abs(values.sum(axis=1, dtype=np.float64) - 1.0) <= NORMALISED_WITHIN).all())
    n = len(observations)
    out = {field.name: np.empty(n) for field in fields(Signals)}
    for start in range(0, n, CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        block, labels = values[rows].astype(np.float64), observations.labels[rows]
        if half:
            columns = _of_steps(block, labels, half)
        else:
            log_p = log_softmax(block, axis=1) if is_logits else np.log(np.clip(block, PROBABILITY_FLOOR, None))
            columns = _of_block(np.asarray(log_p), labels, exact=exact)
        for name, column in columns.items():
            out[name][rows] = column
    return Signals(**out)


def tempered_log_p(observations: Observations, variant: str, temperature: float, cache: Cache) -> FloatArray:
    """Log-confidence of the true class where all logits are divided by a temperature, computed once, ``[n]``.

    Raises:
        InputError: the variant is not visible.
    """
    key = ("tempered", variant, temperature)
    return cache.get(key, [observations], lambda: _tempered(observations, variant, temperature))


def _tempered(observations: Observations, variant: str, temperature: float) -> FloatArray:
    values, is_logits = _answers(observations, variant)
    floor = PROBABILITY_FLOOR if is_logits else max(half_step(values), PROBABILITY_FLOOR)
    out = np.empty(len(observations))
    for start in range(0, len(out), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        block, labels = values[rows].astype(np.float64), observations.labels[rows]
        tempered = (block if is_logits else np.log(np.clip(block, floor, None))) / temperature
        log_others, _ = _log_sum_without(tempered, labels)
        out[rows] = -np.logaddexp(0.0, log_others - tempered[np.arange(len(labels)), labels])
    return out


def _answers(observations: Observations, variant: str) -> tuple[Array, bool]:
    """A variant's answers ``[n, C]``, and whether they are logits."""
    if variant in observations.logits:
        return observations.logits[variant], True
    if variant not in observations.confidences:
        observations.confidences_of(variant)  # raises the error that names the key
    return observations.confidences[variant], False


def _of_steps(p: FloatArray, labels: IntArray, half: float) -> dict[str, FloatArray]:
    """The signals of one block of confidences ``[b, C]`` that come in steps; a zero stands for ``half`` of one."""
    columns = _of_block(np.log(np.clip(p, PROBABILITY_FLOOR, None)), labels, exact=False)
    p_y = np.clip(p[np.arange(len(p)), labels], half, 1.0 - half)
    others = p.copy()
    others[np.arange(len(p)), labels] = 0.0
    log_p = np.log(p_y)
    return columns | {
        "log_p": log_p,
        "logit": log_p - np.log1p(-p_y),
        "margin": log_p - np.log(np.clip(others.max(axis=1), half, None)),
    }


def _of_block(log_p: FloatArray, labels: IntArray, *, exact: bool) -> dict[str, FloatArray]:
    """The signals of one block of log-confidences ``[b, C]``; ``exact`` where its rows sum to one."""
    row = np.arange(len(log_p))
    top = log_p.argmax(axis=1)
    log_others, best_other = _log_sum_without(log_p, labels)
    log_rest, _ = _log_sum_without(log_p, top)
    log_p_y, log_max = log_p[row, labels], log_p[row, top]
    logit = log_p_y - log_others
    margin = log_p_y - best_other

    p = np.exp(log_p)
    entropy = -(p * log_p).sum(axis=1)
    remainder = 1.0 - p
    if exact:
        log_max = -np.logaddexp(0.0, log_rest - log_max)
        log_p_y = -np.logaddexp(0.0, -logit)
        remainder[row, top] = np.exp(log_rest)
    terms = -p * np.log(np.clip(remainder, PROBABILITY_FLOOR, None))
    terms[row, labels] = -remainder[row, labels] * log_p_y
    return {
        "log_p": log_p_y,
        "logit": logit,
        "margin": margin,
        "log_max": log_max,
        "entropy": entropy,
        "modified_entropy": terms.sum(axis=1),
        "correct": (top == labels).astype(np.float64),
    }


def _log_sum_without(log_p: FloatArray, column: IntArray) -> tuple[FloatArray, FloatArray]:
    """Log of the summed confidence of every class but one, and the largest log-confidence among them."""
    row = np.arange(len(log_p))
    excluded = log_p[row, column]
    log_p[row, column] = -np.inf
    best = log_p.max(axis=1)
    total = best + np.log(np.exp(log_p - best[:, None]).sum(axis=1))
    log_p[row, column] = excluded
    return total, best
