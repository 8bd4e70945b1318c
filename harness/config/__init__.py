"""`audit.toml` as frozen models: unknown keys are refused and the bad field is named."""

from harness.config._audit import VOLATILE_SECTIONS, AuditConfig, Kind
from harness.config._gate import GateConfig, Place
from harness.config._load import load, load_policy, parse, read, validate
from harness.config._measuring import (
    Answers,
    AttackConfig,
    BenchConfig,
    CollectConfig,
    DeviceConfig,
    PoolMode,
    TimeoutsConfig,
)
from harness.config._policy import BaselineConfig, WaiverConfig
from harness.config._presets import PRESETS, Preset
from harness.config._report import REPORT_FORMATS, Format, ReportConfig
from harness.config._rule import ADVERSARIES, FailsWhen, GateRule, GroupScope, RuleKind
from harness.config._subjects import AnswersConfig, ArtifactConfig, RecordsConfig, ShadowConfig
from harness.config._trained import CompressionConfig, DataConfig, ExportConfig, MisConfig, ModelConfig, TrainingConfig

__all__ = [
    "ADVERSARIES",
    "PRESETS",
    "REPORT_FORMATS",
    "VOLATILE_SECTIONS",
    "Answers",
    "AnswersConfig",
    "ArtifactConfig",
    "AttackConfig",
    "AuditConfig",
    "BaselineConfig",
    "BenchConfig",
    "CollectConfig",
    "CompressionConfig",
    "DataConfig",
    "DeviceConfig",
    "ExportConfig",
    "FailsWhen",
    "Format",
    "GateConfig",
    "GateRule",
    "GroupScope",
    "Kind",
    "MisConfig",
    "ModelConfig",
    "Place",
    "PoolMode",
    "Preset",
    "RecordsConfig",
    "ReportConfig",
    "RuleKind",
    "ShadowConfig",
    "TimeoutsConfig",
    "TrainingConfig",
    "WaiverConfig",
    "load",
    "load_policy",
    "parse",
    "read",
    "validate",
]
