"""What an adversary observes of a run: collected answers as observations, one runtime at a time, without a data set.

`Evidence` says who was asked about which population; stage `collect` writes it last, beside the populations' labels,
ids and memberships. From there on every kind of subject is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Self

import numpy as np
from scipy.special import softmax

from harness import fields
from harness.data import output_kind
from harness.data.exposed_outputs import VECTOR, Exposure
from harness.errors import RunError
from harness.store import Run
from harness.subject.queries import query_of
from harness.types import Array, FloatArray, IntArray, Observations

__all__ = ["Asked", "Evidence", "read", "read_canaries"]

FILE = "evidence.json"


@dataclass(frozen=True)
class Asked:
    """One model, and the population that attacks look at it with.

    Args:
        model: ``target`` or a shadow model.
        population: whose membership in this model's training set is known.
        references: other models that answered the same population.
        outside: a population that no model was trained on, answered by this model and its references; empty without.
    """

    model: str
    population: str
    references: tuple[str, ...] = ()
    outside: str = ""


@dataclass(frozen=True)
class Evidence:
    """Who was asked about which population, and how their answers are read.

    Args:
        variants: in the order in which adversaries are shown them.
        controls: variants that are compared with and do not ship.
        runtimes: where they ran.
        target: the audited model.
        shadows: the shadow models.
        outputs: ``variant/runtime`` -> form of the answers, see `harness.data.output_kind`; logits where not named.
        queries: need -> what a special query of the attacks was made with.
        canaries: the audited model on the records that were inserted on purpose; None where there are none.
        exposure: what the app shows of its answers.
    """

    variants: tuple[str, ...]
    controls: tuple[str, ...]
    runtimes: tuple[str, ...]
    target: Asked
    shadows: tuple[Asked, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, fields.Node] = field(default_factory=dict)
    canaries: Asked | None = None
    exposure: Exposure = VECTOR

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Everything that is asked: the target, the shadows, and the target on canaries."""
        return (self.target, *self.shadows, *([] if self.canaries is None else [self.canaries]))

    def populations_of(self, model: str) -> tuple[str, ...]:
        """Every population that a model is asked about: its own, those it is a reference for, and those outside."""
        names: list[str] = []
        for one in self.asked:
            if model == one.model or model in one.references:
                names += [one.population, one.outside]
        return tuple(name for name in dict.fromkeys(names) if name)

    @property
    def fitted_on(self) -> tuple[str, ...]:
        """The populations on which attacks are scored and fitted, the audited one first."""
        return tuple(dict.fromkeys(one.population for one in self.asked))

    def form(self, variant: str, runtime: str) -> str:
        """How a variant's answers are read."""
        return self.outputs.get(f"{variant}/{runtime}", "logits")

    def write(self, run: Run) -> None:
        """Keep the evidence in the run."""
        run.write_json(FILE, asdict(self) | {"exposure": self.exposure.to_json()})

    @classmethod
    def read(cls, run: Run) -> Self:
        """The evidence of a run.

        Raises:
            RunError: it is missing or damaged.
        """
        node = run.read_json(FILE)
        try:
            return cls(
                tuple(node["variants"]),
                tuple(node["controls"]),
                tuple(node["runtimes"]),
                _asked(node["target"]),
                tuple(map(_asked, node["shadows"])),
                dict(node["outputs"]),
                dict(node["queries"]),
                _asked(node["canaries"]) if node.get("canaries") else None,
                Exposure.from_json(fields.mapping(node, "exposure")),
            )
        except (KeyError, TypeError) as error:
            raise RunError(f"{run.folder / FILE}: damaged: {error}", hint="run `edgeleak collect` again") from None


def read(run: Run, runtime: str, exposure: Exposure | None = None) -> tuple[Observations, list[Observations]]:
    """The target on the audited records, and each shadow on its own.

    Each population carries the answers of its reference models: the shadows for the target, the other shadows for a
    shadow. Which reference was trained on which record is stated where it is not "none of them". Answers to special
    queries, such as noisy copies, come along where the audit's attacks asked for them.

    The run holds whole answers wherever the device gave them; all models' are seen as the app shows them.

    Args:
        run: an open run, collected.
        runtime: where the variants ran.
        exposure: what the app shows; None takes what the audit says. Of the top class alone, a run without disturbed
            copies, or one that is to do without, knows one vote a record.

    Returns:
        The target's observations and the shadows'.

    Raises:
        RunError: something is missing or damaged.
    """
    evidence = Evidence.read(run)
    observer = _Observer(run, evidence, runtime, evidence.exposure if exposure is None else exposure)
    return observer.of(observer.evidence.target), [observer.of(one) for one in observer.evidence.shadows]


def read_canaries(run: Run, runtime: str) -> Observations | None:
    """The target on the records that were inserted on purpose; None where there are none.

    Raises:
        RunError: something is missing or damaged.
    """
    evidence = Evidence.read(run)
    if evidence.canaries is None:
        return None
    observed = _Observer(run, evidence, runtime, evidence.exposure).of(evidence.canaries)
    return replace(observed, canary=np.ones(len(observed), dtype=np.int64))


class _Observer:
    def __init__(self, run: Run, evidence: Evidence, runtime: str, exposure: Exposure) -> None:
        self.evidence = evidence
        self._run, self._runtime, self._exposure = run, runtime, exposure
        queries = [query_of(need).from_json(settings) for need, settings in evidence.queries.items()]
        # Of the top class alone the disturbed copies are the answers; the noisy ones compare confidence vectors.
        through_votes = exposure.answers == "label" and exposure.copies != 0
        self._of_all = [one for one in queries if one.of_references and through_votes]
        self._of_own = [one for one in queries if not one.of_references and exposure.answers == "vector"]
        self._seen: dict[tuple[str, str], Observations] = {}

    def of(self, one: Asked) -> Observations:
        """Everything about one model's own population."""
        own = replace(
            self._plain(one.model, one.population),
            membership=self._run.arrays.read_membership(one.population, one.model),
            groups=self._run.arrays.read_groups(one.population),
            references=tuple(self._plain(other, one.population) for other in one.references),
            reference_membership=self._training(one),
            population=self._outside(one),
        )
        for query in self._of_own:
            own = query.observe(own, one.population, partial(self._confidences, one.model))
        return own

    def _confidences(self, model: str, population: str, variant: str) -> FloatArray:
        answers = self._run.arrays.read_answers(population, self._key(model, variant))
        kind, values = output_kind.apply(self.evidence.form(variant, self._runtime), answers)
        precise = values.astype(np.float64)
        return np.asarray(softmax(precise, axis=1)) if kind == "logits" else precise

    def _plain(self, model: str, name: str) -> Observations:
        """One model's answers to one population as the app shows them, without membership; read once."""
        if (model, name) not in self._seen:
            self._seen[model, name] = self._shown(self._whole(model, name), name)
        return self._seen[model, name]

    def _shown(self, whole: Observations, population: str) -> Observations:
        if not self._of_all:
            return self._exposure.restrict(whole, {})
        shown = whole
        for query in self._of_all:
            shown = query.observe(shown, population, partial(self._confidences, whole.name))
        return shown

    def _whole(self, model: str, name: str) -> Observations:
        """One model's answers to one population as they were collected."""
        tables: dict[str, dict[str, Array]] = {"logits": {}, "confidences": {}}
        for variant in self.evidence.variants:
            key = self._key(model, variant)
            if self._run.arrays.has_answers(name, key):
                answers = self._run.arrays.read_answers(name, key)
                kind, values = output_kind.apply(self.evidence.form(variant, self._runtime), answers)
                tables[kind][variant] = values
        return Observations(
            labels=self._run.arrays.read_labels(name),
            ids=self._run.arrays.read_ids(name),
            logits=tables["logits"],
            confidences=tables["confidences"],
            name=model,
        )

    def _training(self, one: Asked) -> IntArray | None:
        """Which reference was trained on which record; None where none was trained on any."""
        trained = [self._run.arrays.read_training(one.population, other) for other in one.references]
        return np.stack(trained) if any(row.any() for row in trained) else None

    def _outside(self, one: Asked) -> Observations | None:
        if not one.outside:
            return None
        references = tuple(self._plain(other, one.outside) for other in one.references)
        return replace(self._plain(one.model, one.outside), references=references)

    def _key(self, model: str, variant: str) -> str:
        return f"{model}/{variant}/{self._runtime}"


def _asked(node: fields.Node) -> Asked:
    references: Sequence[str] = fields.strings(node, "references")
    return Asked(
        fields.text(node, "model"), fields.text(node, "population"), tuple(references), fields.text(node, "outside")
    )
