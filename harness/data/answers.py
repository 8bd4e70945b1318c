"""The door for arrays: confidence vectors from anywhere, for audits without any device.

They are one .npz file, or tables (.csv, .parquet, DataFrames; `harness.data.answer_columns`) that become the same
keys. Keys, with ``n`` records and ``C`` classes; ``logits`` may stand wherever ``confidences`` does, and is better::

    target/labels                                 int    [n]
    target/membership                             0/1    [n]
    target/confidences/<variant>                  float  [n, C]
    target/ids                                    int    [n]      optional: stable ids of the records
    target/sensitivity/<variant>                  float  [n, C]   optional: for SAMIA
    target/votes/<variant>                        float  [n, C]   optional: for apps that answer the top class alone
    target/groups/<name>                          int or text [n]  optional: leakage is reported by its values
    target/canary                                 0/1    [n]      optional: records inserted on purpose, by a fair coin
    shadow/<k>/labels, membership, ids, confidences/<variant>     optional: shadow k's answers to its own records
    shadow/<k>/cross/<j>/confidences/<variant>                    optional: shadow j's answers to shadow k's records
    shadow/<k>/cross_membership                   0/1    [J, n_k] optional: whether shadow j was trained on them
    cross/<k>/confidences/<variant>                               optional: shadow k's answers to the target's records
    cross_membership                              0/1    [K, n]   optional: whether shadow k was trained on them
    population/labels                             int    [m]      optional: records outside every training set
    population/target/confidences/<variant>       float  [m, C]
    population/shadow/<k>/confidences/<variant>   float  [m, C]

Votes are, for each class, how many disturbed copies of the record were answered with it (whole numbers, the record
itself not counted), or which share of them (rows sum to one). They may stand beside every set of answers, as under
``target/``: ``shadow/<k>/votes/<variant>``, ``shadow/<k>/cross/<j>/votes/<variant>``, ``cross/<k>/votes/<variant>``,
``population/target/votes/<variant>``, ``population/shadow/<k>/votes/<variant>``. Where the target has them, every set
has to. They are used where an app is said to answer the label alone. Of the confidences then only the top class is
used: who has none gives rows of 0 and a single 1. Without votes the answer to the record itself is all that is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.attacks._evaluate import check_size
from harness.config import AttackConfig
from harness.data import answer_tables
from harness.data._checked_answers import CheckedAnswers
from harness.data.exposed_outputs import VECTOR, Exposure
from harness.data.keyed import Keyed
from harness.data.npz import Archive
from harness.errors import InputError, UnresolvedError
from harness.types import Observations

__all__ = ["exposure_of", "load", "opened"]


@contextmanager
def opened(path: Path, shadows: Sequence[Path] = ()) -> Iterator[Keyed]:
    """The arrays of an .npz file, or of a table and its shadows' tables.

    Raises:
        InputError: a file cannot be used.
        DependencyError: it is a .parquet file and pyarrow is not installed.
    """
    if path.suffix in answer_tables.SUFFIXES:
        yield answer_tables.read(path, shadows)
        return
    if shadows:
        raise InputError(
            f"{path}: an .npz file holds its shadows itself, under shadow/0/, shadow/1/, ...",
            hint=f"leave {shadows[0]} out, or give tables",
        )
    with Archive.open(path) as archive:
        yield archive


def load(
    source: Path | Keyed, exposure: Exposure = VECTOR, *, shadows: Sequence[Path] = ()
) -> tuple[Observations, list[Observations]]:
    """Read a target and its shadows, with every array checked.

    Args:
        source: the file, or arrays that are opened already.
        exposure: what the app shows of the answers: the target's, and likewise all others.
        shadows: tables of shadows, where the file is a table.

    Returns:
        The target, with references and population where the file has them, and the shadows in order of their number.

    Raises:
        InputError: a file or one of its arrays cannot be used; the message names the file and the key or column.
        UnresolvedError: the target or a shadow has too few records.
    """
    if isinstance(source, Path):
        with opened(source, shadows) as archive:
            return load(archive, exposure)
    target, others = _read(CheckedAnswers(source, exposure))
    if unknown := source.unread():
        raise InputError(
            f"{source.path}: key {unknown[0]} is not one that the format has",
            hint="labels, membership, ids, confidences/<variant> and so on, under target/ or shadow/<k>/",
        )
    try:
        if target.canary is not None and target.canary.all():
            raise InputError(
                "target/canary: every record is a canary",
                hint="give ordinary records too, whose canary is 0",
            )
        check_size(target.ordinary, needs_membership_of=others)
    except (InputError, UnresolvedError) as error:
        raise type(error)(f"{source.path}: {error.message}", hint=error.hint) from None
    return target, others


def exposure_of(source: Path | Keyed, settings: AttackConfig, *, shadows: Sequence[Path] = ()) -> Exposure:
    """What the app shows as the configuration says, with as many copies as the target's votes are of.

    Raises:
        InputError: the file or its votes cannot be used.
    """
    exposure = Exposure.of(settings)
    if exposure.answers != "label":
        return exposure
    if isinstance(source, Path):
        with opened(source, shadows) as archive:
            return exposure_of(archive, settings)
    answers = CheckedAnswers(source, VECTOR)
    copies = [answers.copies(key) for key in answers.under("target/votes/")]
    return replace(exposure, copies=None if None in copies else max(map(int, filter(None, copies)), default=0))


def _read(answers: CheckedAnswers) -> tuple[Observations, list[Observations]]:
    """The target and the shadows, complete and consistent with each other."""
    # The target's own arrays first: a bad one is named as the target's, not as that of a reference with its labels.
    target = answers.of("target", **answers.marks("target"))
    numbers = answers.numbers("shadow/")
    population = _population(answers)
    shadows = [_shadow(answers, k, numbers, population) for k in numbers]
    references = tuple(answers.of(f"cross/{k}", labels_key="target/labels") for k in answers.numbers("cross/"))
    for one in (target, *shadows):
        if one.membership is None:
            raise InputError(
                f"{answers.path}: key {one.name}/membership is missing", hint="1 for members, 0 for non-members"
            )
    cross = (one for shadow in shadows for one in shadow.references)
    _require_variants(answers.path, target, (*shadows, *references, *cross, *population.values()))
    target = replace(
        target,
        references=references,
        reference_membership=answers.membership_matrix("cross_membership", (len(references), len(target))),
        population=population.get("target"),
    )
    return target, shadows


def _require_variants(path: Path | str, target: Observations, others: Sequence[Observations]) -> None:
    """Raise unless every other set of answers has the target's variants and classes."""
    for one in others:
        for variant in target.variants:
            if variant not in one.variants:
                raise InputError(
                    f"{path}: key {one.name}/confidences/{variant} is missing; the target has this variant",
                    hint="every model has to answer with every variant of the target",
                )
        if one.n_classes != target.n_classes:
            raise InputError(f"{path}: key {one.name} has {one.n_classes} classes, the target {target.n_classes}")


def _shadow(
    answers: CheckedAnswers, k: str, numbers: list[str], population: Mapping[str, Observations]
) -> Observations:
    """Shadow k; its references on the population are the other shadows that cross-answered its records."""
    name = f"shadow/{k}"
    own = answers.of(name)
    others = answers.numbers(f"{name}/cross/")
    for j in others:
        if j == k or j not in numbers:
            raise InputError(f"{answers.path}: key {name}/cross/{j} does not name another shadow")
    references = tuple(answers.of(f"{name}/cross/{j}", labels_key=f"{name}/labels") for j in others)
    z = population.get(name)
    if z is not None:
        z = replace(z, references=_answered(answers, population, others, asked=f"{name}/cross"))
    trained = answers.membership_matrix(f"{name}/cross_membership", (len(references), len(own)))
    return replace(own, references=references, reference_membership=trained, population=z)


def _population(answers: CheckedAnswers) -> dict[str, Observations]:
    """The population as each model answered it: ``target`` (with references), ``shadow/0``, ..."""
    if not answers.under("population/"):
        return {}
    label_key = "population/labels"
    populations = {
        f"shadow/{k}": answers.of(f"population/shadow/{k}", labels_key=label_key)
        for k in answers.numbers("population/shadow/")
    }
    if answers.under("population/target/"):
        # The references of the target, on Z as on its records, are the shadows that answer under cross/.
        references = _answered(answers, populations, answers.numbers("cross/"), asked="cross")
        populations["target"] = answers.of("population/target", labels_key=label_key, references=references)
    return populations


def _answered(
    answers: CheckedAnswers, population: Mapping[str, Observations], numbers: Sequence[str], *, asked: str
) -> tuple[Observations, ...]:
    """The population as the references answered it, each of those that answered under ``asked``."""
    for k in numbers:
        if f"shadow/{k}" not in population:
            raise InputError(
                f"{answers.path}: key population/shadow/{k}/confidences/<variant> is missing; there is {asked}/{k}",
                hint="a reference has to answer the population too",
            )
    return tuple(population[f"shadow/{k}"] for k in numbers)
