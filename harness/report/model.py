"""The report of one audit: what its stages found, as types, and the questions that every output asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar, get_args

from harness import fields
from harness.errors import InputError
from harness.policy import Outcome, Verdict
from harness.results import (
    ArtifactResult,
    AttackFindings,
    DevicesFindings,
    Increase,
    MisFindings,
    NullSummary,
    PrivacyFindings,
    RecordFindings,
    Result,
    Simultaneous,
    Skipped,
    SliceFindings,
)
from harness.types import Adversary, View

__all__ = ["ANSWERS", "SCHEMA", "SHOWN_PER_ADVERSARY", "SUPPLIED", "TRAINED", "ArtifactRow", "Report", "by_auc"]

SCHEMA = "edgeleak.report/1"
# Kinds of subjects: models that the audit trained, files that were supplied with their records, and answers alone.
TRAINED, SUPPLIED, ANSWERS = "trained", "supplied", "answers"
# The uncompressed model's name among the variants.
ORIGINAL = "original"
# Strongest attacks, and largest increases, that are shown first for each adversary.
SHOWN_PER_ADVERSARY = 3


@dataclass(frozen=True)
class ArtifactRow:
    """One variant on one runtime, with the strongest attack of each adversary on it.

    Args:
        artifact: the variant on the runtime.
        nr: strongest attack that sees this variant alone; None where none was measured.
        sr: strongest attack that sees the original and this variant; None where none was measured.
    """

    artifact: ArtifactResult
    nr: Result | None
    sr: Result | None

    @property
    def name(self) -> str:
        """The variant, marked where it is a control."""
        return f"{self.artifact.variant} (control)" if self.artifact.is_control else self.artifact.variant


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one audit found. Its texts are as they came; an output cleans what it shows.

    Args:
        name: the audit.
        null: a null twin: nobody is a member.
        created: when the run was begun, ISO 8601.
        config: the resolved configuration.
        config_digest: of the configuration that the run is bound to.
        seed: of every random choice; None where it is not known.
        inputs_sha256: digests of the supplied files that the run is bound to; empty where none were supplied.
        subject: ``trained``, ``supplied`` or ``answers``; empty where it is not known.
        device: what the device says of itself; None where no device was asked.
        data: name, counts of records by role, and warnings.
        artifacts: one result a variant and runtime.
        attacks: what the stage `attack` found.
        mis: what the stage `mis` found; None where it did not run.
        slices: leakage by class and by column of groups; None where nothing was measured.
        privacy: bounds of differential privacy, on all records and on canaries; None where none were made.
        verdict: of the gate; None where there is none, or where it states no outcome.
        timings: stage -> seconds.
        edgeleak: version that made the report.
        devices: what became of each of several devices, and how they differ; None where there was one, or none.
        records: the most exposed records by id; None where nobody asked for them in a report.
    """

    name: str = ""
    null: bool = False
    created: str = ""
    config: fields.Node = field(default_factory=dict)
    config_digest: str = ""
    seed: int | None = None
    inputs_sha256: tuple[str, ...] = ()
    subject: str = ""
    device: fields.Node | None = None
    data: fields.Node = field(default_factory=dict)
    artifacts: tuple[ArtifactResult, ...] = ()
    attacks: AttackFindings = field(default_factory=AttackFindings)
    mis: MisFindings | None = None
    slices: SliceFindings | None = None
    privacy: PrivacyFindings | None = None
    verdict: Verdict | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    edgeleak: str = ""
    devices: DevicesFindings | None = None
    records: RecordFindings | None = None

    def _repr_html_(self) -> str:
        from harness.report._notebook import shown  # which asks the first sentences, which know this class

        return shown(self)

    @property
    def names_missing_parts(self) -> bool:
        """Whether an output names a part that is missing, instead of leaving it out.

        A subject that was trained here has every part. One that was supplied need not have a reference, a benchmark
        or, where only its answers exist, files and a device. Of several devices each has a report of its own with all
        parts.
        """
        return self.subject not in (SUPPLIED, ANSWERS) and self.devices is None

    def of_device(self, name: str) -> Report:
        """What was found of one of several devices, as if it had been the only one."""
        result = next((one for one in self.devices.devices if one.name == name), None) if self.devices else None
        return replace(
            self,
            devices=None,
            device=None if result is None else result.device,
            artifacts=tuple(replace(row, device="") for row in self.artifacts if row.device == name),
            attacks=AttackFindings(
                results=tuple(_alone(row) for row in self.attacks.results if row.view.device == name),
                skipped=tuple(_alone(row) for row in self.attacks.skipped if row.view.device == name),
                null=None if result is None else result.null,
                increases=tuple(_alone(row) for row in self.attacks.increases if row.view.device == name),
            ),
        )

    @property
    def references(self) -> int:
        """Reference models whose answers the attacks saw; of attacks that saw different numbers, the largest."""
        return max((result.references for result in self.attacks.results), default=0)

    def strongest(self) -> tuple[Result, ...]:
        """The strongest attacks of each adversary by AUC, the one that sees least first; controls are left out."""
        known = [r for r in by_auc(self.attacks.results) if not r.is_control and r.headline.is_known]
        return tuple(
            result
            for adversary in get_args(Adversary)
            for result in [r for r in known if r.adversary == adversary][:SHOWN_PER_ADVERSARY]
        )

    def artifact_rows(self) -> tuple[ArtifactRow, ...]:
        """Every variant on every runtime with the strongest attacks on it, in the report's order."""
        best = _strongest_views(self.attacks.results)

        def strongest(adversary: Adversary, artifact: ArtifactResult) -> Result | None:
            key = (artifact.runtime, artifact.device, adversary, artifact.variant)
            # A control attack on an ordinary variant (permuted labels) is no finding about that variant.
            found = [best.get((*key, False)), best.get((*key, True)) if artifact.is_control else None]
            return next(iter(by_auc(one for one in found if one is not None)), None)

        return tuple(ArtifactRow(one, strongest("NR", one), strongest("SR", one)) for one in self.artifacts)

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        attacks = self.attacks.to_json()
        null_calibration = attacks.pop("null_calibration")
        return {
            "schema": SCHEMA,
            "edgeleak": self.edgeleak,
            "name": self.name,
            "null": self.null,
            "created": self.created,
            "config": self.config,
            "config_digest": self.config_digest,
            "seed": self.seed,
            "inputs_sha256": list(self.inputs_sha256),
            "subject": self.subject,
            "device": self.device,
            "data": self.data,
            "artifacts": [artifact.to_json() for artifact in self.artifacts],
            "attacks": attacks,
            "null_calibration": null_calibration,
            "mis": None if self.mis is None else self.mis.to_json(),
            "slices": None if self.slices is None else self.slices.to_json(),
            "privacy": None if self.privacy is None else self.privacy.to_json(),
            "gate": None if self.verdict is None else self.verdict.to_json(),
            "timings": self.timings,
            **({} if self.devices is None else {"devices": self.devices.to_json()}),
            **({} if self.records is None else {"records": self.records.to_json()}),
        }

    @classmethod
    def from_json(cls, node: object) -> Self:
        """The report that :meth:`to_json` wrote, from a file that may lack anything or hold anything.

        What is absent, null or of another type is unknown. Results, increases and skipped attacks that name no attack
        are left out, for a report is only shown; the gate reads the results of the stage itself, and refuses them.

        Raises:
            InputError: it is no JSON object.
        """
        if not isinstance(node, Mapping):
            raise InputError(f"report: a {type(node).__name__}, expected a JSON object")
        timings = fields.mapping(node, "timings")
        return cls(
            name=fields.text(node, "name"),
            null=fields.flag(node, "null"),
            created=fields.text(node, "created"),
            config=fields.mapping(node, "config"),
            config_digest=fields.text(node, "config_digest"),
            seed=fields.integer(node, "seed"),
            inputs_sha256=fields.strings(node, "inputs_sha256"),
            subject=fields.text(node, "subject"),
            device=fields.mapping(node, "device") or None,
            data=fields.mapping(node, "data"),
            artifacts=tuple(map(ArtifactResult.from_json, fields.rows(node, "artifacts"))),
            attacks=_attacks(node),
            mis=MisFindings.from_json(mis) if (mis := fields.mapping(node, "mis")) else None,
            slices=SliceFindings.from_json(slices) if (slices := fields.mapping(node, "slices")) else None,
            privacy=PrivacyFindings.from_json(privacy) if (privacy := fields.mapping(node, "privacy")) else None,
            verdict=_verdict(fields.mapping(node, "gate")),
            timings={stage: s for stage in timings if (s := fields.number(timings, stage)) is not None},
            edgeleak=fields.text(node, "edgeleak"),
            devices=DevicesFindings.from_json(devices) if (devices := fields.mapping(node, "devices")) else None,
            records=RecordFindings.from_json(records) if (records := fields.mapping(node, "records")) else None,
        )


_OfView = TypeVar("_OfView", Result, Skipped, Increase)


def _alone(row: _OfView) -> _OfView:
    return replace(row, view=replace(row.view, device=""))


def by_auc(results: Iterable[Result]) -> list[Result]:
    """Strongest first; those whose AUC is not known or cannot be resolved come last."""
    return sorted(results, key=lambda one: one.headline.value_or_lowest, reverse=True)


def _strongest_views(results: Iterable[Result]) -> dict[tuple[str, str, Adversary, str, bool], Result]:
    """Runtime, device, adversary, variant, whether it is a control -> the strongest attack; of NR and SR alone."""
    best: dict[tuple[str, str, Adversary, str, bool], Result] = {}
    for result in by_auc(results):
        seen = result.variants if result.adversary == "NR" else tuple(v for v in result.variants if v != ORIGINAL)
        if result.adversary != "MR" and len(seen) == 1 and result.headline.is_known:
            key = (result.runtime, result.view.device, result.adversary, seen[0], result.is_control)
            best.setdefault(key, result)
    return best


def _attacks(node: fields.Node) -> AttackFindings:
    attacks = fields.mapping(node, "attacks")
    results, skipped, increases = (
        [row for row in fields.rows(attacks, key) if View.from_json(row) is not None]
        for key in ("results", "skipped", "increases")
    )
    corrections = fields.mapping(attacks, "corrections")
    return AttackFindings(
        tuple(map(Result.from_json, results)),
        tuple(map(Skipped.from_json, skipped)),
        NullSummary.from_json(fields.mapping(node, "null_calibration")),
        tuple(map(Increase.from_json, increases)),
        {runtime: Simultaneous.from_json(fields.mapping(corrections, runtime)) for runtime in corrections},
    )


def _verdict(node: fields.Node) -> Verdict | None:
    """The gate's verdict; None where there is none, or one that states no outcome."""
    return Verdict.from_json(node) if fields.text(node, "outcome") in get_args(Outcome) else None
