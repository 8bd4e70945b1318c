"""Which stages an audit has, in which order they are done, and what is done again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.audit import plan
from harness.audit.context import Context
from harness.audit.plan import STAGES, Stage, StageFunction, audit_all, run_stage, stages_of
from harness.config import AuditConfig, parse
from harness.errors import DeviceUnavailableError, InterruptedRunError, UsageError
from harness.store import Run

ANSWERS = parse({"name": "x", "answers": {"file": "answers.npz"}})
SUPPLIED = parse(
    {
        "name": "x",
        "artifact": ({"variant": "original", "file": "a.tflite"},),
        "records": {"members": "m.npz", "nonmembers": "n.npz"},
        "device": {"url": "grpc://127.0.0.1:1"},
    }
)
TRAINED = parse({"name": "x"})


class Recorded:
    """Stages that do nothing but say that they were done, and fail where they are told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.failing = ""

        def load(stage: Stage) -> StageFunction:
            name = next(name for name, row in STAGES.items() if row is stage)

            def perform(_config: AuditConfig, _run: Run, _context: Context) -> dict[str, Any]:
                self.done.append(name)
                if name == self.failing:
                    raise InterruptedRunError("interrupted")
                return {"gate": {"outcome": "inconclusive", "rules": []}}

            return perform

        patch.setattr(plan.Stage, "load", load)


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(monkeypatch)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.open(tmp_path / "run", ANSWERS) as opened:
        yield opened


def context(config: AuditConfig) -> Context:
    return Context(lambda *_: None, config.device)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (TRAINED, ("train", "export", "collect", "bench", "attack", "mis", "gate", "report")),
        (SUPPLIED, ("collect", "bench", "attack", "gate", "report")),
        (ANSWERS, ("attack", "gate", "report")),
    ],
    ids=["trained", "supplied", "answers"],
)
def test_a_subject_has_its_stages_in_one_order(config: AuditConfig, expected: tuple[str, ...]) -> None:
    assert stages_of(config) == expected


def test_every_stage_can_be_loaded_and_has_a_purpose() -> None:
    for stage in STAGES.values():
        assert callable(stage.load())
        assert stage.purpose.endswith(".")


@pytest.mark.parametrize("name", ["train", "collect", "mis"])
def test_a_stage_of_another_subject_is_refused_with_those_there_are(run: Run, name: str) -> None:
    with pytest.raises(UsageError, match=f"an audit of answers has no stage '{name}'.*attack, gate, report"):
        run_stage(name, ANSWERS, run, context(ANSWERS))


def test_a_finished_audit_is_judged_and_reported_again_and_nothing_else(stages: Recorded, run: Run) -> None:
    audit_all(ANSWERS, run, context(ANSWERS))
    assert stages.done == ["attack", "gate", "report"]
    audit_all(ANSWERS, run, context(ANSWERS))
    assert stages.done[3:] == ["gate", "report"]


def test_a_stage_that_failed_is_the_first_of_the_next_attempt(stages: Recorded, run: Run) -> None:
    stages.failing = "gate"
    with pytest.raises(InterruptedRunError):
        audit_all(ANSWERS, run, context(ANSWERS))
    assert run.is_done("attack")
    assert not run.is_done("gate")
    assert not (run.folder / "results" / "gate.json").exists()
    stages.done.clear()
    stages.failing = ""
    audit_all(ANSWERS, run, context(ANSWERS))
    assert stages.done == ["gate", "report"]


def test_what_was_built_on_a_stage_is_done_again_after_it(stages: Recorded, run: Run) -> None:
    audit_all(ANSWERS, run, context(ANSWERS))
    run_stage("attack", ANSWERS, run, context(ANSWERS))
    assert [run.is_done(name) for name in ("attack", "gate", "report")] == [True, False, False]


def test_a_device_that_is_absent_is_known_before_the_first_stage(stages: Recorded, tmp_path: Path) -> None:
    with Run.open(tmp_path / "supplied", SUPPLIED) as opened, context(SUPPLIED) as given:
        with pytest.raises(DeviceUnavailableError, match=r"127\.0\.0\.1:1"):
            audit_all(SUPPLIED, opened, given)
        assert stages.done == []
