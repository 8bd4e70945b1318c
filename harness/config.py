"""`audit.toml` as frozen models: unknown keys are refused and the bad field is named."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import ConfigError
from protos.runtimes import RUNTIMES, names

__all__ = [
    "ADVERSARIES",
    "VOLATILE_SECTIONS",
    "AnswersConfig",
    "ArtifactConfig",
    "AttackConfig",
    "AuditConfig",
    "BenchConfig",
    "CollectConfig",
    "CompressionConfig",
    "DataConfig",
    "DeviceConfig",
    "ExportConfig",
    "GateConfig",
    "GateRule",
    "Kind",
    "MisConfig",
    "ModelConfig",
    "RecordsConfig",
    "RuleKind",
    "ShadowConfig",
    "StudyConfig",
    "TrainingConfig",
    "load",
    "parse",
]

# Sections that say how results are judged or where they are computed: changing them keeps a run valid.
VOLATILE_SECTIONS = frozenset({"gate", "device", "jobs", "study"})

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Optimizer = Literal["adam", "sgd"]
Adversary = Literal["NR", "SR", "MR"]
ADVERSARIES: tuple[Adversary, ...] = get_args(Adversary)
# A kind of rule is named after the key that holds its limit; `harness.policy.rules` says how each is judged.
RuleKind = Literal["max", "max_increase", "max_flip_share"]
# What may name a variant: it becomes part of paths and of the keys of results.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
Kind = Literal["trained", "supplied", "answers"]
# Sections that describe how models are made: an audit of files or of answers has none of them.
TRAINED_SECTIONS = ("data", "model", "training", "compression", "export", "mis")
SUPPLIED_SECTIONS = ("artifact", "records", "shadow")
Generator = Literal["trajectory", "bootstrap-last", "bootstrap", "perturbation", "flips", "calibration"]


def _known_runtime(name: str) -> str:
    if name not in RUNTIMES:
        raise ValueError(f"not a known runtime; known are {names()}")
    return name


Runtime = Annotated[str, AfterValidator(_known_runtime)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataConfig(_Section):
    """Which data set, and how many records play which role.

    `data_dir` is the folder of its files, or the file where it is one. `label` names the column of classes in a table
    of the user's own. `vocabulary` and `sequence` are of text: how many tokens there are, and how many a record has.
    """

    name: str = "digits"
    data_dir: str | None = None
    label: str | None = None
    vocabulary: Annotated[int, Field(ge=32)] = 4000
    sequence: Annotated[int, Field(ge=4)] = 64
    members: Count = 400
    nonmembers: Count = 400
    population: Count = 200
    calibration: Annotated[int, Field(ge=0)] = 64
    shadow_pool: Annotated[int, Field(ge=2)] | None = None


class ModelConfig(_Section):
    """The architecture; target and shadows share it.

    `name` may be the user's own `package.module:factory`, imported from PYTHONPATH or from `folder`, the file's own
    unless given. `layers` and `heads` are of networks for text. `pretrained` is a folder whose weights such a network
    starts from, instead of `width`, `layers` and `heads`; a tokenizer.json in it then replaces `data.vocabulary`.
    """

    name: str = "cnn"
    width: Count = 32
    layers: Count = 2
    heads: Count = 2
    pretrained: str | None = None
    folder: str | None = None


class TrainingConfig(_Section):
    """How target and shadow models are trained: fixed epochs, nothing is selected on audited records.

    Fine-tuning uses the same optimizer, without weight decay or augmentation. Without shadows attacks are cross-fitted
    over known members.
    """

    epochs: Count = 25
    batch_size: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    optimizer: Optimizer = "adam"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    augment: bool = False
    shadows: Annotated[int, Field(ge=0)] = 2


class CompressionConfig(_Section):
    """Which variants are made of every model, and how they are fine-tuned."""

    variants: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "original",
        "finetuned",
        "prune-0.6",
        "prune-0.9",
        "cluster-16",
        "int8",
        "fp16",
    )
    finetune_epochs: Count = 20
    finetune_learning_rate: Annotated[float, Field(gt=0)] = 2e-3

    @field_validator("variants")
    @classmethod
    def _has_original(cls, variants: tuple[str, ...]) -> tuple[str, ...]:
        if "original" not in variants:
            raise ValueError("must contain 'original': every change is measured against it")
        if len(set(variants)) != len(variants):
            raise ValueError("names a variant twice")
        return variants


class ExportConfig(_Section):
    """Which runtimes every variant is exported for."""

    runtimes: Annotated[tuple[Runtime, ...], Field(min_length=1)] = ("litert", "executorch")


class CollectConfig(_Section):
    """How records travel to the device."""

    batch_size: Annotated[int, Field(ge=1, le=256)] = 64


class AttackConfig(_Section):
    """Which attacks, and how their results are reported; None means the default set.

    `samia` asks the device about noisy copies of the records: how many, and how large the noise is; None means the
    published size, or one step of the input's quantization where a variant computes in 8 bits and that is larger.
    """

    names: tuple[str, ...] | None = None
    level: Rate = 0.95
    fprs: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.05, 0.01)
    samia_draws: Annotated[int, Field(ge=1, le=100)] = 10
    samia_epsilon: Annotated[float, Field(gt=0)] | None = None


class MisConfig(_Section):
    """The MIS indicator: as many candidates for every quantizer, from the same seeds, run on the device.

    `generator` says where candidates come from: the last epochs of training (`trajectory`), other samples of the
    training records (`bootstrap`, or `bootstrap-last` for the last layer alone), noise on the weights (`perturbation`),
    one code of the quantizer moved (`flips`), or other records to calibrate with (`calibration`).
    """

    enabled: bool = True
    quantizers: Annotated[tuple[str, ...], Field(min_length=1)] = ("fp32", "fp16", "int8", "int4")
    generator: Generator = "trajectory"
    candidates: Annotated[int, Field(ge=2)] = 12
    runtime: Runtime = "litert"

    @field_validator("quantizers")
    @classmethod
    def _are_distinct(cls, quantizers: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(quantizers)) != len(quantizers):
            raise ValueError("names a quantizer twice")
        return quantizers


class BenchConfig(_Section):
    """How latency is measured on the device."""

    batch_size: Count = 1
    warmup: Annotated[int, Field(ge=0)] = 10
    runs: Count = 100
    threads: Count = 1
    cooldown_s: Annotated[float, Field(ge=0)] = 0.0


class ArtifactConfig(_Section):
    """One model file that ships. `[[artifact]]` tables make an audit of supplied files; nothing is trained.

    `file` ends in a runtime's suffix, which says who runs it. `outputs` says what its answers are, where the answers
    themselves should not decide it. A control is compared with and not shipped: `control = true`.
    """

    variant: Annotated[str, Field(pattern=NAME)]
    file: str
    outputs: Literal["confidences", "logits"] | None = None
    control: bool = False


class RecordsConfig(_Section):
    """The records of an audit of supplied files: who was in the training set, and who was not.

    Files are .npz (arrays `inputs`, or `inputs/NAME` each, and `labels`), .csv or .parquet; `label` names the column of
    classes in a table. `file` holds both kinds, with an array `membership`, in place of `members` and `nonmembers`.
    `population` holds records outside every model's training set, which some attacks compare with.
    """

    members: str | None = None
    nonmembers: str | None = None
    file: str | None = None
    population: str | None = None
    label: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.file is not None and (self.members or self.nonmembers):
            raise ValueError("'file' holds members and non-members: give it, or 'members' and 'nonmembers'")
        if self.file is None and (self.members is None or self.nonmembers is None):
            raise ValueError("needs 'members' and 'nonmembers', or a 'file' with an array of membership")
        return self


class ShadowConfig(_Section):
    """One shadow model of an audit of supplied files: the same variants as the target, with its own records."""

    members: str
    nonmembers: str
    artifact: Annotated[tuple[ArtifactConfig, ...], Field(min_length=1)]


class AnswersConfig(_Section):
    """Confidence arrays from anywhere: an .npz whose keys `harness.data.answers` describes; no device."""

    file: str
    controls: tuple[str, ...] = ("finetuned",)


class StudyConfig(_Section):
    """Which audits `edgeleak study` makes of this one: seeds, and the seeds whose mistakes and null twins it shows.

    `confounded` repeats an audit's queries with the members alone shown through the training transform, the real one
    and, where the seed is in `null` too, its null twin. None is the first seed, for `confounded` only where training
    transforms its images. `variants` are those that null twins and confounded queries look at; None takes all.
    """

    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (1, 2, 3)
    null: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    confounded: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    variants: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: names a seed twice")
        for name in ("null", "confounded"):
            missing = sorted(set(getattr(self, name) or ()) - set(self.seeds))
            if missing:
                raise ValueError(f"{name}: seed {missing[0]} is not among the seeds")
        return self


class DeviceConfig(_Section):
    """Where artifacts run: `local`, or `grpc://host:port`."""

    url: str = "local"


class GateRule(_Section):
    """One condition of the release policy; its kind is the key that holds its limit.

    `max` and `max_increase` limit an estimate of every attack result that the rule judges: it passes when every upper
    bound stays within the limit, fails when some lower bound, corrected for all results of the audit, exceeds it, and
    is inconclusive where the records show neither. `max_flip_share` limits the share of records whose top-1 class is
    not the reference's. `attacks` and `variants` narrow what is judged; each that is named must have a result, and so
    must each adversary where not all three are named. `epsilon_lower` has no upper bound: it can fail a release and
    never pass one. `id` names the rule in every report and is made from the rule where it is not given.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")] = ""
    kind: RuleKind = "max"
    metric: Literal["auc", "balanced_accuracy", "tpr_at_fpr", "epsilon_lower"] = "auc"
    adversary: Annotated[tuple[Adversary, ...], Field(min_length=1)] = ADVERSARIES
    attacks: Names | None = None
    variants: Names | None = None
    at_fpr: Rate | None = None
    max: Finite | None = None
    max_increase: Finite | None = None
    max_flip_share: Share | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        kinds = [kind for kind in get_args(RuleKind) if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError("needs exactly one of 'max', 'max_increase' and 'max_flip_share'")
        if "kind" in self.model_fields_set and self.kind != kinds[0]:
            raise ValueError(f"kind: {self.kind!r} takes the limit {self.kind!r}, and {kinds[0]!r} is given")
        # The model is frozen once it is built; until then what was left out is filled in.
        object.__setattr__(self, "kind", kinds[0])
        self._check_keys()
        self._check_limit()
        object.__setattr__(self, "id", self.id or self._id_of_its_keys())
        return self

    def _check_keys(self) -> None:
        if (self.metric == "tpr_at_fpr") != (self.at_fpr is not None):
            raise ValueError("'at_fpr' goes with metric = \"tpr_at_fpr\", and only with it")
        if self.kind == "max_increase" and self.metric != "auc":
            raise ValueError("'max_increase' compares AUCs: use metric = \"auc\"")
        if self.kind == "max_flip_share":
            for key in ("metric", "adversary", "attacks"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"{key!r} does not go with 'max_flip_share', which judges no attack")

    def _check_limit(self) -> None:
        """Refuse limits that whatever is measured stays within, e.g. 85 for 0.85."""
        if self.max is not None:
            if self.max < 0:
                raise ValueError(f"max: {self.max:g} is below 0, and no result can be")
            if self.metric != "epsilon_lower" and self.max >= 1:
                raise ValueError(f"max: {self.max:g} lets every result pass; give a fraction below 1")
        if self.max_increase is not None and not -1 < self.max_increase < 1:
            raise ValueError(f"max_increase: {self.max_increase:g} is no difference of AUCs; give one between -1 and 1")

    def _id_of_its_keys(self) -> str:
        at = () if self.at_fpr is None else (repr(self.at_fpr),)
        what = {"max": (self.metric, *at, "max"), "max_increase": ("auc-increase",), "max_flip_share": ("parity",)}
        seen = () if set(self.adversary) == set(ADVERSARIES) else self.adversary
        words = (*what[self.kind], repr(self.limit), *seen, *(self.variants or ()), *(self.attacks or ()))
        return re.sub(r"[^A-Za-z0-9.+]", "-", "-".join(words))

    @property
    def limit(self) -> float:
        """The one limit that is given."""
        return float(getattr(self, self.kind))

    @property
    def name(self) -> str:
        """The rule as a short sentence."""
        scopes = {"variants": self.variants, "attacks": self.attacks}
        scope = "".join(f", {key} {' '.join(names)}" for key, names in scopes.items() if names)
        if self.kind == "max_flip_share":
            return f"top-1 flips against the reference <= {self.limit:g}{scope}"
        metric = self.metric if self.at_fpr is None else f"{self.metric}[{self.at_fpr!r}]"
        limit = f"<= {self.limit:g}" if self.kind == "max" else f"<= original + {self.limit:g}"
        return f"{'/'.join(self.adversary)} {metric} {limit}{scope}"


class GateConfig(_Section):
    """The release policy. No rules: the audit reports and passes nothing.

    `max_flip_share` is short for a rule with this limit alone, and becomes the last of the rules.
    """

    rules: tuple[GateRule, ...] = ()
    max_flip_share: Share | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.max_flip_share is not None:
            object.__setattr__(self, "rules", (*self.rules, GateRule(max_flip_share=self.max_flip_share)))
            object.__setattr__(self, "max_flip_share", None)
        ids = [rule.id for rule in self.rules]
        twice = next((one for one in ids if ids.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"rules: two have the id {twice!r}: give one of them another id, or remove it")
        return self


class AuditConfig(_Section):
    """One audit, wholly described."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 0
    null: bool = False
    jobs: Annotated[int, Field(ge=1)] | None = None
    artifact: tuple[ArtifactConfig, ...] = ()
    records: RecordsConfig | None = None
    shadow: tuple[ShadowConfig, ...] = ()
    answers: AnswersConfig | None = None
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    compression: CompressionConfig = CompressionConfig()
    export: ExportConfig = ExportConfig()
    collect: CollectConfig = CollectConfig()
    attack: AttackConfig = AttackConfig()
    mis: MisConfig = MisConfig()
    bench: BenchConfig = BenchConfig()
    device: DeviceConfig = DeviceConfig()
    study: StudyConfig = StudyConfig()
    gate: GateConfig = GateConfig()

    @property
    def kind(self) -> Kind:
        """What is audited: a network trained here, files that were supplied, or answers that exist already."""
        if self.answers is not None:
            return "answers"
        return "supplied" if self.artifact or self.records is not None or self.shadow else "trained"

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants in the order of the configuration; of answers, only their file knows."""
        if self.kind == "trained":
            return self.compression.variants
        return tuple(one.variant for one in self.artifact)

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        given = self.model_fields_set
        if self.kind == "trained":
            return self
        foreign = [name for name in TRAINED_SECTIONS if name in given]
        if self.kind == "answers":
            foreign += [name for name in (*SUPPLIED_SECTIONS, "bench", "collect") if name in given]
        if foreign:
            raise ValueError(f"{foreign[0]}: does not go with [{'answers' if self.answers else '[artifact]'}]")
        if self.null:
            raise ValueError("null: only an audit that trains its models has a null twin")
        if self.kind == "supplied":
            self._check_artifacts()
        return self

    def _check_artifacts(self) -> None:
        if self.records is None:
            raise ValueError("records: missing; [[artifact]] needs [records] with members and nonmembers")
        if not self.artifact:
            raise ValueError("artifact: missing; [records] needs at least one [[artifact]]")
        variants = [one.variant for one in self.artifact]
        twice = [name for name in variants if variants.count(name) > 1]
        if twice:
            raise ValueError(f"artifact: two are called {twice[0]!r}; give each variant a name of its own")
        for number, shadow in enumerate(self.shadow):
            if sorted(one.variant for one in shadow.artifact) != sorted(variants):
                raise ValueError(f"shadow.{number}.artifact: needs the target's variants: {', '.join(variants)}")

    @model_validator(mode="after")
    def _has_candidates(self) -> Self:
        if not self.mis.enabled or self.kind != "trained":
            return self
        if self.mis.generator == "trajectory" and self.mis.candidates > self.training.epochs:
            raise ValueError(
                f"mis.candidates: {self.mis.candidates} checkpoints, one an epoch, do not fit in "
                f"training.epochs = {self.training.epochs}"
            )
        if self.mis.generator == "calibration" and self.data.calibration < 2:
            raise ValueError('mis.generator: "calibration" needs data.calibration of 2 or more, to take halves of')
        return self

    @model_validator(mode="after")
    def _studies_its_own_variants(self) -> Self:
        wanted = self.study.variants or ()
        unknown = [variant for variant in wanted if variant not in self.compression.variants]
        if unknown:
            raise ValueError(f"study.variants: {unknown[0]!r} is not among compression.variants")
        if wanted and "original" not in wanted:
            raise ValueError("study.variants: must contain 'original'")
        return self

    def to_json(self) -> dict[str, object]:
        """The resolved configuration as JSON types, without the sections of other kinds of subject."""
        foreign = {
            "trained": (*SUPPLIED_SECTIONS, "answers"),
            "supplied": (*TRAINED_SECTIONS, "answers", "null"),
            "answers": (*TRAINED_SECTIONS, *SUPPLIED_SECTIONS, "bench", "collect", "device", "null"),
        }[self.kind]
        return self.model_dump(mode="json", exclude=set(foreign))

    def digest(self) -> str:
        """SHA-256 over everything that determines the results: all but the gate, the device's address and the jobs."""
        kept = {
            key: _without_folders(value) if key in (*SUPPLIED_SECTIONS, "answers") else value
            for key, value in self.to_json().items()
            if key not in VOLATILE_SECTIONS
        }
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    def with_changes(self, **changes: object) -> AuditConfig:
        """The same audit with some top-level fields replaced, e.g. `seed` or `null`."""
        return self.model_copy(update=changes)


def load(path: Path) -> AuditConfig:
    """Read and validate an `audit.toml`.

    Args:
        path: the file.

    Returns:
        The frozen configuration; the folders that it names are relative to the file's own, and absolute here.

    Raises:
        ConfigError: the file is missing, is not TOML, or a field is unknown or wrong; the field is named.
    """
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", hint="`edgeleak init` writes one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    config = parse(table, source=str(path))

    def absolute(folder: str | None) -> str | None:
        return None if folder is None else str((path.parent / Path(folder).expanduser()).resolve())

    if config.kind != "trained":
        return config.with_changes(**_absolute_files(config, absolute))
    model = config.model
    imports = "." if model.folder is None and ":" in model.name else model.folder
    folders = {"pretrained": absolute(model.pretrained), "folder": absolute(imports)}
    return config.with_changes(
        data=config.data.model_copy(update={"data_dir": absolute(config.data.data_dir)}),
        model=model.model_copy(update=folders),
    )


def _absolute_files(config: AuditConfig, absolute: Callable[[str | None], str | None]) -> dict[str, object]:
    """The sections that name supplied files, with their paths made absolute."""

    def moved(section: BaseModel, *names: str) -> BaseModel:
        return section.model_copy(update={name: absolute(getattr(section, name)) for name in names})

    def artifacts(items: tuple[ArtifactConfig, ...]) -> tuple[BaseModel, ...]:
        return tuple(moved(item, "file") for item in items)

    return {
        "artifact": artifacts(config.artifact),
        "records": config.records and moved(config.records, "members", "nonmembers", "file", "population"),
        "shadow": tuple(
            moved(one, "members", "nonmembers").model_copy(update={"artifact": artifacts(one.artifact)})
            for one in config.shadow
        ),
        "answers": config.answers and moved(config.answers, "file"),
    }


def _without_folders(value: object) -> object:
    """Paths as file names: what a run is bound to is the content of its inputs, wherever they lie."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return Path(value).name if isinstance(value, str) and "/" in value else value


def parse(table: dict[str, object], *, source: str = "configuration") -> AuditConfig:
    """Validate a table that was read from TOML.

    Args:
        table: the parsed TOML.
        source: how error messages call it.

    Raises:
        ConfigError: a field is unknown or wrong; the message names every such field on one line.
    """
    try:
        return AuditConfig.model_validate(_tuples(table))
    except ValidationError as error:
        raise ConfigError(f"{source}: " + "; ".join(_explain(item) for item in error.errors())) from None


def _explain(item: object) -> str:
    assert isinstance(item, dict)  # noqa: S101 - pydantic's own contract, for the type checker
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(item["loc"][-1]), _fields_at(item["loc"][:-1]), n=1)
        return f"{where}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    message = re.sub(r"^Value error, ", "", item["msg"])
    given = item.get("input")
    shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{where or 'file'}: {message[:1].lower()}{message[1:]}{shown}"


def _fields_at(loc: tuple[object, ...]) -> list[str]:
    model: type[BaseModel] = AuditConfig
    for part in loc:
        if isinstance(part, int):
            continue
        annotation = GateRule if part == "rules" else model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _tuples(value: object) -> object:
    """TOML arrays become tuples: frozen models hold nothing that can change."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value
