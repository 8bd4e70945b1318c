"""The verb that writes a configuration to start from."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._app import (
    DEFAULT_CONFIG,
    ArtifactOption,
    AttackOption,
    DeviceOption,
    LabelOption,
    MaxAucOption,
    MaxIncreaseOption,
    MembersOption,
    NonmembersOption,
    PopulationOption,
    RecordsOption,
    ShadowOption,
    app,
    one_device,
    out,
)
from harness.cli._example import example
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.subject.draft import Draft


# Editors that know TOML check the file by the schema that the first line names.
SCHEMA_LINES = """#:schema ./audit.schema.json
# edgeleak schema audit --out audit.schema.json writes the schema by which editors check this file.

"""


@app.command(
    epilog="Examples: edgeleak init; edgeleak init --artifact original=a.tflite --artifact int8=b.tflite "
    "--members m.npz --nonmembers n.npz; edgeleak init --answers answers.npz"
)
def init(
    path: Annotated[Path, typer.Argument(metavar="AUDIT.toml")] = DEFAULT_CONFIG,
    artifact: ArtifactOption = None,
    members: MembersOption = None,
    nonmembers: NonmembersOption = None,
    records: RecordsOption = None,
    population: PopulationOption = None,
    label: LabelOption = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="Answers from anywhere: .npz, .csv or .parquet.", metavar="ANSWERS")
    ] = None,
    shadow: ShadowOption = None,
    attack: AttackOption = None,
    max_auc: MaxAucOption = None,
    max_increase: MaxIncreaseOption = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the audit; default: the first file's, or the folder's.", metavar="NAME"),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Write a commented audit.toml: of files and records that are given, or of the bundled example.

    Files are loaded on the device and shown some records, so that the comments say what each takes and answers.
    """
    from harness import files
    from harness.subject.draft import Draft, named_files

    url = one_device(device)
    if path.exists():
        raise UsageError(f"{path}: exists already", hint="give another name, or delete it")
    draft = Draft(
        artifacts=named_files(artifact or ()),
        members=members,
        nonmembers=nonmembers,
        records=records,
        population=population,
        label=label,
        answers=answers,
        shadows=shadow or (),
        attacks=attack or (),
        max_auc=max_auc,
        max_increase=max_increase,
        name=name,
    )
    text = _of_example(path, name) if draft.is_empty else draft.toml(path.parent, _comments(draft, url))
    files.write(path, (SCHEMA_LINES + text).encode(), private=False)
    out.print(f"wrote {path}; next: edgeleak audit {path}", soft_wrap=True, markup=False)


def _of_example(path: Path, name: str | None) -> str:
    """The bundled example under a name of its own, so that its run is not taken for another's."""
    from harness.config import parse

    own = name or re.sub(r"[^A-Za-z0-9._-]+", "-", path.absolute().parent.name).lstrip("._-")
    text = example().read_text()
    if own:
        text = re.sub(r'^name = ".*"$', lambda _: f"name = {json.dumps(own)}", text, count=1, flags=re.MULTILINE)
    parse(tomllib.loads(text), source="--name")
    return text


def _comments(draft: Draft, device: str) -> dict[str, list[str]]:
    config = draft.config()
    from harness.subject import described

    if config.kind == "answers":
        return described.of_answers(config)
    from harness.devices import open_device

    with open_device(device) as opened:
        return described.of_files(config, opened)
