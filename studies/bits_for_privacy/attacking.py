"""LiRA against every network of a setting, with all other networks as references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import attacks
from harness.types import FloatArray, IntArray, Observations
from studies.bits_for_privacy.records import membership
from studies.bits_for_privacy.settings import Setting

__all__ = ["ATTACK", "Scored", "scored_records", "scores"]

ATTACK = "lira-online"
# A record is scored where every network has at least so many others that were, and that were not, trained on it.
MIN_SIDE = 2
# What the answers are called: the attack sees one variant, whatever its file is.
SEEN = "seen"


@dataclass(frozen=True, eq=False)
class Scored:
    """Which records are scored; every network with each of them is one pair of the audit.

    Args:
        rows: places in the pool, ``[r]``.
        trained: 1 where a network was trained on a record, ``[networks, r]``.
    """

    rows: IntArray
    trained: IntArray


def scored_records(setting: Setting) -> Scored:
    """The records with enough networks on either side; that looks at no single network's membership."""
    trained = np.stack([membership(setting, number) for number in range(setting.networks)])
    inside = trained.sum(axis=0)
    rows = np.flatnonzero(np.minimum(inside, setting.networks - inside) > MIN_SIDE)
    return Scored(rows, trained[:, rows])


def scores(scored: Scored, asked: FloatArray, shadows: FloatArray) -> FloatArray:
    """Online LiRA's log-likelihood ratio of each network and record, float64 ``[networks, r]``.

    Carlini, Chien, Nasr, Song, Terzis & Tramer, Membership inference attacks from first principles, S&P 2022.

    Args:
        scored: the records.
        asked: logit-scaled confidences of the files under attack, ``[networks, pool]``.
        shadows: those of the files that the adversary made of the other networks, ``[networks, pool]``: of the same
            variant where it knows what ships, of the float networks where it does not.
    """
    attack = attacks.attack_class(ATTACK)((SEEN,))
    references = [Observations(**_answers(margins[scored.rows])) for margins in shadows]
    everyone = np.arange(len(asked))
    found = np.empty(scored.trained.shape)
    for target in everyone:
        others = everyone[everyone != target]
        seen = Observations(
            **_answers(asked[target, scored.rows]),
            references=tuple(references[other] for other in others),
            reference_membership=scored.trained[others],
            name=f"network {target}",
        )
        found[target] = attack.score(seen)
    return found


def _answers(margins: FloatArray) -> dict[str, Any]:
    """Answers of two classes with these logit-scaled confidences of the true one."""
    return {
        "labels": np.zeros(len(margins), dtype=np.int64),
        "logits": {SEEN: np.stack([margins, np.zeros(len(margins))], axis=1)},
    }
