"""`audit.toml` as frozen models: unknown keys are refused and the bad field is named."""

from harness.config._audit import VOLATILE_SECTIONS, AuditConfig, Kind
from harness.config._gate import ADVERSARIES, GateConfig, GateRule, RuleKind
from harness.config._load import load, parse, read, validate
from harness.config._measuring import (
    Answers,
    AttackConfig,
    BenchConfig,
    CollectConfig,
    DeviceConfig,
    PoolMode,
    TimeoutsConfig,
)
from harness.config._subjects import AnswersConfig, ArtifactConfig, RecordsConfig, ShadowConfig
from harness.config._trained import CompressionConfig, DataConfig, ExportConfig, MisConfig, ModelConfig, TrainingConfig

__all__ = [
    "ADVERSARIES",
    "VOLATILE_SECTIONS",
    "Answers",
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
    "PoolMode",
    "RecordsConfig",
    "RuleKind",
    "ShadowConfig",
    "TimeoutsConfig",
    "TrainingConfig",
    "load",
    "parse",
    "read",
    "validate",
]
