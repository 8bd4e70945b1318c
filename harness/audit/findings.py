"""What the stages of a run found, read back as types."""

from __future__ import annotations

from harness import fields
from harness.errors import InputError, RunError
from harness.results import ArtifactResult, AttackFindings, MisFindings, PrivacyFindings, SliceFindings
from harness.store import Run

__all__ = [
    "PRIVACY",
    "SLICES",
    "artifact_results",
    "attack_findings",
    "mis_findings",
    "privacy_findings",
    "slice_findings",
]

# What the stage `attack` writes beside its results; a run of an earlier version may lack it.
SLICES, PRIVACY = "results/slices.json", "results/privacy.json"
# Stages that say something of each variant on each runtime, in the order of an audit.
OF_ARTIFACTS = ("export", "collect", "bench", "attack")


def attack_findings(run: Run) -> AttackFindings:
    """What the stage `attack` found.

    Raises:
        RunError: it is missing or damaged.
    """
    name = "results/attack.json"
    try:
        return AttackFindings.from_json(run.read_json(name))
    except InputError as error:
        raise RunError(f"{run.folder / name}: damaged: {error.message}", hint="run `edgeleak attack` again") from None


def slice_findings(run: Run) -> SliceFindings | None:
    """What the stage `attack` measured of parts of the records; None where it wrote nothing of them."""
    return SliceFindings.from_json(run.read_json(SLICES)) if (run.folder / SLICES).exists() else None


def mis_findings(run: Run) -> MisFindings | None:
    """What the stage `mis` found; None where it was not done."""
    return MisFindings.from_json(run.read_json("results/mis.json")) if run.is_done("mis") else None


def privacy_findings(run: Run) -> PrivacyFindings | None:
    """What the stage `attack` bounded of differential privacy; None where it wrote nothing of it."""
    return PrivacyFindings.from_json(run.read_json(PRIVACY)) if (run.folder / PRIVACY).exists() else None


def artifact_results(run: Run) -> tuple[ArtifactResult, ...]:
    """One row a variant and runtime of the target, with all that the stages found of it: file, answers, latency."""
    rows: dict[tuple[str, str], ArtifactResult] = {}
    for stage in OF_ARTIFACTS:
        if not run.is_done(stage):
            continue
        for row in map(ArtifactResult.from_json, fields.rows(run.read_json(f"results/{stage}.json"), "artifacts")):
            key = (row.variant, row.runtime)
            rows[key] = rows[key].merged(row) if key in rows else row
    order = {variant: place for place, variant in enumerate(run.config.variants)}
    return tuple(sorted(rows.values(), key=lambda row: (row.runtime, order.get(row.variant, len(order)))))
