"""What adversaries observe of a run: read from its arrays alone, with whatever is missing or damaged named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.config import parse
from harness.errors import InputError, RunError
from harness.store import Run
from harness.subject import observations
from harness.subject.answers import AnswersSubject
from harness.subject.observations import Asked, Evidence
from harness.types import Artifact
from tests.attacks.bad_arrays import full_table, write
from tests.devices.files import placeholder

N, CLASSES = 6, 3
EVIDENCE = Evidence(
    variants=("original", "int8"),
    controls=(),
    runtimes=("litert",),
    target=Asked("target", "audit", ("shadow-0", "shadow-1"), "population"),
    shadows=(Asked("shadow-0", "shadow-0", ("shadow-1",)), Asked("shadow-1", "shadow-1", ("shadow-0",))),
    outputs={"original/litert": "confidences", "int8/litert": "logits"},
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run in which every model has answered whatever the evidence says that it was asked about."""
    with Run.open(tmp_path / "run", parse({"name": "x"})) as opened:
        rng = np.random.default_rng(0)
        for model in ("target", "shadow-0", "shadow-1"):
            for population in EVIDENCE.populations_of(model):
                for variant in EVIDENCE.variants:
                    confident = rng.dirichlet(np.ones(CLASSES), N).astype(np.float32)
                    answer(opened, population, model, variant, confident)
                opened.arrays.write_population(population, labels=np.arange(N) % CLASSES, ids=np.arange(N) + 10)
        for population in ("audit", "shadow-0", "shadow-1"):
            for model in ("target", "shadow-0", "shadow-1"):
                member = np.arange(N) % 2 if model == EVIDENCE.target.model else np.zeros(N, dtype=np.int64)
                opened.arrays.write_membership(population, model, membership=member, training=member)
        EVIDENCE.write(opened)
        yield opened


def answer(run: Run, population: str, model: str, variant: str, values: NDArray[np.float32]) -> None:
    artifact: Artifact = placeholder(run.folder, variant, model=model, classes=CLASSES)
    sink = run.arrays.answers(population, artifact, n=N, batch=N, origin="here")
    sink.append(0, values)


def test_evidence_survives_its_file(run: Run) -> None:
    assert Evidence.read(run) == EVIDENCE


def test_models_are_asked_about_their_own_records_and_those_they_are_a_reference_for() -> None:
    assert EVIDENCE.populations_of("target") == ("audit", "population")
    assert EVIDENCE.populations_of("shadow-0") == ("audit", "population", "shadow-0", "shadow-1")
    assert EVIDENCE.fitted_on == ("audit", "shadow-0", "shadow-1")


def test_the_target_is_seen_with_references_population_and_membership(run: Run) -> None:
    target, shadows = observations.read(run, "litert")
    assert set(target.variants) == {"original", "int8"}
    assert list(target.confidences) == ["original"]
    assert list(target.logits) == ["int8"]
    assert target.membership is not None
    assert target.membership.tolist() == [0, 1, 0, 1, 0, 1]
    assert [one.name for one in target.references] == ["shadow-0", "shadow-1"]
    assert target.reference_membership is None, "no shadow was trained on a record of the target"
    assert target.population is not None
    assert len(target.population.references) == 2
    assert [one.name for one in shadows] == ["shadow-0", "shadow-1"]
    assert [one.name for one in shadows[0].references] == ["shadow-1"]
    assert shadows[0].population is None
    assert target.ids is not None
    assert target.ids.tolist() == list(range(10, 10 + N))


def test_which_reference_was_trained_on_which_record_is_stated(run: Run) -> None:
    trained = np.array([1, 0, 0, 0, 0, 0])
    run.arrays.write_membership("audit", "shadow-1", membership=trained, training=trained)
    target, _ = observations.read(run, "litert")
    assert target.reference_membership is not None
    assert target.reference_membership.tolist() == [[0] * N, trained.tolist()]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"variants": []}'])
def test_damaged_evidence_is_refused_with_its_place(run: Run, content: str) -> None:
    (run.folder / "evidence.json").write_text(content)
    with pytest.raises(RunError, match=r"evidence\.json: damaged"):
        observations.read(run, "litert")


def test_an_unknown_query_is_refused_as_another_versions(run: Run) -> None:
    path = run.folder / "evidence.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"queries": {"telepathy": {}}}))
    with pytest.raises(RunError, match=r"no query serves the need 'telepathy'.*--fresh"):
        observations.read(run, "litert")


def test_answers_that_are_incomplete_are_refused(run: Run) -> None:
    next((run.folder / "answers.zarr" / "audit" / "shadow-1" / "int8").rglob("c/0/0")).unlink()
    with pytest.raises(RunError, match="audit/shadow-1/int8/litert: incomplete"):
        observations.read(run, "litert")


@pytest.mark.parametrize("variant", ["../x", "a/b", "a,b", ".hidden", "a b", "-x", "ü"])
def test_a_variant_of_answers_is_named_like_a_place(tmp_path: Path, variant: str) -> None:
    """It names folders of a run, and a comma would make a pair of one."""
    table = {key: value for key, value in full_table().items() if key in ("target/labels", "target/membership")}
    table[f"target/confidences/{variant}"] = full_table()["target/confidences/original"]
    file = write(tmp_path / "answers.npz", table)
    config = parse({"name": "x", "answers": {"file": str(file)}})
    with pytest.raises(InputError, match="cannot name a place in a run"):
        AnswersSubject.load(config)
