"""The networks' answers as adversaries see them: a target or a shadow, its references, and a population."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.attacks import with_copy
from harness.data.npz import Archive
from harness.errors import RunError
from harness.types import IntArray, Observations
from studies.overfitted.networks import file_of
from studies.overfitted.settings import SEED, Part, Setting

__all__ = ["Answers", "load", "shadows_of", "target_of"]

# Online attacks compare references that were trained on a record with others, and need a spread of each.
MIN_SIDE = 2
# What the seeded generator is for.
SHADOW_ROWS = 3


@dataclass(frozen=True, eq=False)
class Answers:
    """One network's.

    Args:
        logits: variant -> float32 ``[pool + population, classes]``.
        membership: of the pool, int64 ``[pool]``.
        about: how it was trained.
    """

    logits: Mapping[str, NDArray[np.float32]]
    membership: IntArray
    about: Mapping[str, object]


def load(setting: Setting, folder: Path, numbers: Sequence[int]) -> dict[int, Answers]:
    """The networks' answers by number.

    Raises:
        RunError: a network is missing, or was trained in another setting.
        InputError: a file is damaged.
    """
    return {number: _load(setting, folder, number) for number in numbers}


def _load(setting: Setting, folder: Path, number: int) -> Answers:
    path = file_of(folder, number)
    if not path.exists():
        raise RunError(f"{path}: network {number} is missing", hint="run the command networks")
    with Archive.open(path) as archive:
        about = json.loads(archive.array("about").tobytes())
        logits = {key.partition("/")[2]: archive.array(key).astype(np.float32) for key in archive.under("logits/")}
        membership = archive.array("membership").astype(np.int64)
    trained = {key: about["setting"].get(key) for key in setting.training}
    if trained != setting.training:
        different = next(key for key in trained if trained[key] != setting.training[key])
        raise RunError(
            f"{path}: trained with {different} {trained[different]}, the setting has {setting.training[different]}",
            hint="give another folder with --run, or delete the file",
        )
    return Answers(logits, membership, about)


def target_of(part: Part, networks: Mapping[int, Answers], labels: IntArray, number: int) -> Observations:
    """A target with all other networks as references, and the records of which both sides have enough references."""
    return _seen(part, networks, labels, number, [n for n in part.networks if n != number], name=f"network {number}")


def shadows_of(
    setting: Setting, part: Part, networks: Mapping[int, Answers], labels: IntArray, number: int
) -> list[Observations]:
    """Other networks that play the target; the references of each are the rest, without the target."""
    players = [n for n in part.networks if n != number][-setting.shadows :]
    shadows = []
    for player in players:
        others = [n for n in part.networks if n not in (number, player)]
        shadow = _seen(part, networks, labels, player, others, name=f"shadow {player}")
        rng = np.random.default_rng([SEED, SHADOW_ROWS, number, player])
        shadows.append(shadow.take(np.sort(rng.permutation(len(shadow))[: setting.shadow_rows])))
    return shadows


def _seen(
    part: Part,
    networks: Mapping[int, Answers],
    labels: IntArray,
    number: int,
    references: Sequence[int],
    *,
    name: str,
) -> Observations:
    own = networks[number]
    pool = len(own.membership)
    trained = np.stack([networks[reference].membership for reference in references])
    inside = trained.sum(axis=0)
    rows = np.flatnonzero(np.minimum(inside, len(references) - inside) >= MIN_SIDE)

    def answers(of: int, at: IntArray) -> dict[str, NDArray[np.float32]]:
        return {variant: networks[of].logits[variant][at] for variant in part.variants}

    def observations(at: IntArray, text: str) -> Observations:
        asked = tuple(Observations(labels=labels[at], logits=answers(r, at), name=text) for r in references)
        return Observations(labels=labels[at], logits=answers(number, at), references=asked, ids=at, name=text)

    outside = observations(np.arange(pool, len(labels)), f"{name}, population")
    records = observations(rows, name)
    return with_copy(
        Observations(
            labels=records.labels,
            logits=records.logits,
            membership=own.membership[rows],
            references=records.references,
            reference_membership=trained[:, rows],
            population=outside,
            ids=rows,
            name=name,
        )
    )
