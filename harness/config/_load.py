"""Reads and validates audit.toml; a wrong field is named, with its value and the nearest known key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from harness.config._audit import AuditConfig
from harness.config._explain import explained
from harness.config._gate import GateConfig
from harness.config._places import places
from harness.config._subjects import ArtifactConfig
from harness.errors import ConfigError

__all__ = ["load", "load_policy", "parse", "read", "validate"]

Model = TypeVar("Model", bound=BaseModel)
# Tables of other programs, which may stand in the same file: a study of this audit has its settings there.
FOREIGN_TABLES = frozenset({"study"})


def load(path: Path) -> AuditConfig:
    """Read and validate an `audit.toml`.

    Args:
        path: the file.

    Returns:
        The frozen configuration; the folders that it names are relative to the file's own, and absolute here.

    Raises:
        ConfigError: the file is missing, is not TOML, or a field is unknown or wrong; the field is named.
    """
    text = _text(path)
    table = _table(text, path)
    config = parse(table, source=str(path))
    config = config.with_changes(gate=_policy(config.gate, table, text, path))

    def absolute(folder: str | None) -> str | None:
        return None if folder is None else str((path.parent / Path(folder).expanduser()).resolve())

    def own_name(file: str | None) -> str | None:
        # A link is known by its own name, whose suffix says what it is, and not by that of the file it points to.
        return None if file is None else str(Path(absolute(str(Path(file).parent)) or "", Path(file).name))

    if config.kind != "trained":
        return config.with_changes(**_absolute_files(config, own_name))
    model = config.model
    imports = "." if model.folder is None and ":" in model.name else model.folder
    folders = {"pretrained": absolute(model.pretrained), "folder": absolute(imports)}
    return config.with_changes(
        data=config.data.model_copy(update={"data_dir": absolute(config.data.data_dir)}),
        model=model.model_copy(update=folders),
    )


def read(path: Path) -> dict[str, object]:
    """Read a TOML file as a table, without looking at its fields.

    Raises:
        ConfigError: the file is missing, cannot be read, or is not TOML.
    """
    return _table(_text(path), path)


def load_policy(path: Path) -> GateConfig:
    """Read and validate a `policy.toml`, which holds what `[gate]` of an audit.toml may.

    Args:
        path: the file.

    Returns:
        The policy; the baseline that it names is relative to the file's own folder, and absolute here.

    Raises:
        ConfigError: the file is missing, is not TOML, or a field is unknown or wrong; the field is named.
    """
    text = _text(path, hint="give the policy's own file")
    table = _table(text, path)
    policy = validate(GateConfig, table, source=str(path))
    if policy.policy is not None:
        raise ConfigError(f"{path}: policy: this file is the policy already; leave the key out")
    return _beside(policy, path).placed(places(policy, table, text, str(path)))


def _policy(gate: GateConfig, table: dict[str, object], text: str, path: Path) -> GateConfig:
    """The policy of an audit.toml: its own `[gate]`, or the file that this names."""
    if gate.policy is not None:
        return load_policy(path.parent / Path(gate.policy).expanduser())
    own = table.get("gate")
    rules = own if isinstance(own, dict) else {}
    return _beside(gate, path).placed(places(gate, rules, text, str(path), inside="gate"))


def _beside(policy: GateConfig, path: Path) -> GateConfig:
    """The policy with the place of its baseline made absolute."""
    baseline = policy.baseline
    if baseline is None:
        return policy
    given = {key: getattr(baseline, key) for key in ("run", "report") if getattr(baseline, key) is not None}
    moved = {key: str((path.parent / Path(place).expanduser()).resolve()) for key, place in given.items()}
    return policy.model_copy(update={"baseline": baseline.model_copy(update=moved)})


def _text(path: Path, *, hint: str = "`edgeleak init` writes one to start from") -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _table(text: str, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


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
        "answers": config.answers
        and moved(config.answers, "file").model_copy(update={"shadows": tuple(map(absolute, config.answers.shadows))}),
    }


def parse(table: dict[str, object], *, source: str = "configuration") -> AuditConfig:
    """Validate a table that was read from TOML; tables of other programs are left out.

    Args:
        table: the parsed TOML.
        source: how error messages call it.

    Raises:
        ConfigError: a field is unknown or wrong; the message names every such field on one line.
    """
    own = {key: value for key, value in table.items() if key not in FOREIGN_TABLES}
    return validate(AuditConfig, own, source=source)


def validate(model: type[Model], table: dict[str, object], *, source: str) -> Model:
    """Validate a table against a model.

    Args:
        model: what the table should be.
        table: the parsed TOML.
        source: how error messages call it.

    Raises:
        ConfigError: a field is unknown or wrong; the message names every such field on one line.
    """
    try:
        return model.model_validate(_tuples(table))
    except ValidationError as error:
        raise ConfigError(f"{source}: {explained(error, model)}") from None


def _tuples(value: object) -> object:
    """TOML arrays become tuples: frozen models hold nothing that can change."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value
