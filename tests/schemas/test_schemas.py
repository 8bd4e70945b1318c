"""The published schemas are those of the code, accept what edgeleak accepts, and refuse what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from harness.cli._judging import GATE_SCHEMA as PRINTED
from harness.cli._schema import Name
from harness.config import GateConfig, parse, validate
from harness.errors import ConfigError
from harness.report import Report
from harness.schemas import NAMES, made, published, text_of
from harness.schemas._report import GATE_SCHEMA
from tests.report import judged, sample

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("**/*.toml"))
DOCUMENTS = [*sorted((ROOT / "docs").glob("**/*.md")), *sorted(ROOT.glob("*.md"))]


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(published(name)))


def as_json(table: object) -> Any:
    """A TOML table as an editor hands it to a schema: days become texts."""
    return json.loads(json.dumps(table, default=str))


def problems(name: str, value: object) -> list[str]:
    return [f"{'/'.join(map(str, one.path))}: {one.message[:200]}" for one in validator(name).iter_errors(value)]


def blocks() -> Iterator[tuple[str, str]]:
    """Every block of TOML in the documents: where it stands, and its text."""
    for path in DOCUMENTS:
        text = path.read_text()
        for found in re.finditer(r"^```toml[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}", found[1]


def holds_a_policy(table: dict[str, object]) -> bool:
    return bool(table) and table.keys() <= GateConfig.model_fields.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_published_file_is_the_one_that_the_code_makes(name: str) -> None:
    Draft202012Validator.check_schema(made(name))
    assert published(name) == text_of(made(name)), "run: python -m harness.schemas"


def test_the_verb_and_the_outputs_name_the_schemas_that_are_there() -> None:
    assert get_args(Name) == NAMES
    assert PRINTED == GATE_SCHEMA


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    table = tomllib.loads(path.read_text())
    assert problems("policy" if holds_a_policy(table) else "audit", as_json(table)) == []


@pytest.mark.parametrize(("where", "text"), [pytest.param(*one, id=one[0]) for one in blocks()])
def test_every_block_of_toml_in_the_documents_is_valid(where: str, text: str) -> None:
    """A block may be a part of an audit.toml; a whole one has a name."""
    table = tomllib.loads(text)
    found = problems("policy" if holds_a_policy(table) else "audit", as_json(table))
    assert [one for one in found if one != ": 'name' is a required property"] == []


AUDIT = 'name = "tiny"\n'
WRONG_AUDITS = {
    "unknown key": AUDIT + "epochs = 3\n",
    "unknown section": AUDIT + "[trainning]\nepochs = 3\n",
    "unknown key of a section": AUDIT + "[training]\nepoch = 3\n",
    "wrong type": AUDIT + '[training]\nepochs = "many"\n',
    "number out of range": AUDIT + "[training]\nepochs = 0\n",
    "fraction for a count": AUDIT + "[training]\nepochs = 2.5\n",
    "no name": "seed = 1\n",
    "name that is a path": 'name = "../elsewhere"\n',
    "empty list": AUDIT + "[compression]\nvariants = []\n",
    "unknown choice": AUDIT + '[attack]\nanswers = "logits"\n',
    "rule without a limit": AUDIT + '[[gate.rules]]\nmetric = "auc"\n',
    "rule with two limits": AUDIT + "[[gate.rules]]\nmax = 0.6\nmax_increase = 0.1\n",
    "limit as text": AUDIT + '[[gate.rules]]\nmax = "0.6"\n',
    "unknown preset": AUDIT + '[gate]\npreset = "lenient"\n',
}
RULE = '[[rules]]\nid = "auc"\nmax = 0.6\n'
WRONG_POLICIES = {
    "unknown key": RULE + 'varients = ["int8"]\n',
    "unknown severity": RULE + 'severity = "ignore"\n',
    "unknown adversary": RULE + 'adversary = ["NR", "XR"]\n',
    "waiver of nobody": RULE + '[[waiver]]\nrule = "auc"\nreason = "known"\nexpires = 2030-01-01\n',
    "waiver without end": RULE + '[[waiver]]\nrule = "auc"\nowner = "A"\nreason = "known"\n',
    "waiver until a number": RULE + '[[waiver]]\nrule = "auc"\nowner = "A"\nreason = "known"\nexpires = 2030\n',
    "two baselines": RULE + '[baseline]\nrun = "runs/a"\nreport = "report.json"\n',
    "no baseline": RULE + '[baseline]\nname = "1.0"\n',
}


def read_audit(table: dict[str, object]) -> object:
    return parse(table)


def read_policy(table: dict[str, object]) -> object:
    return validate(GateConfig, table, source="policy.toml")


@pytest.mark.parametrize(
    ("name", "read", "text"),
    [pytest.param("audit", read_audit, text, id=f"audit: {what}") for what, text in WRONG_AUDITS.items()]
    + [pytest.param("policy", read_policy, text, id=f"policy: {what}") for what, text in WRONG_POLICIES.items()],
)
def test_a_wrong_file_is_refused_by_the_schema_and_by_edgeleak(
    name: str, read: Callable[[dict[str, object]], object], text: str
) -> None:
    table = tomllib.loads(text)
    with pytest.raises(ConfigError):
        read(table)
    assert problems(name, as_json(table)) != []


GOOD_POLICY = """
preset = "standard"

[[rules]]
id = "phones"
max = 0.7
device = "adb:*"
group = { column = "ward", value = 2 }
severity = "warn"

[[rules]]
id = "classes"
metric = "tpr_at_fpr"
at_fpr = 0.05
max = 0.2
classes = [3, "7"]

[[waiver]]
rule = "phones"
owner = "A. Person"
reason = "accepted for this release"
expires = 2030-01-31
variants = "int8"

[baseline]
run = "runs/1.0"
"""


def test_a_policy_that_edgeleak_reads_is_valid_in_its_short_forms() -> None:
    table = tomllib.loads(GOOD_POLICY)
    read_policy(table)
    assert problems("policy", as_json(table)) == []
    assert problems("audit", as_json({"name": "tiny", "gate": table})) == []


REPORTS = {
    "trained": sample.report,
    "supplied": sample.supplied,
    "answers": sample.answers,
    "null twin": sample.null_twin,
    "hostile": sample.hostile,
}


@pytest.mark.parametrize("kind", REPORTS)
def test_every_sample_of_a_report_is_valid_however_hostile_its_texts(kind: str) -> None:
    whole = Report.from_json(REPORTS[kind]()).to_json()
    assert problems("report", as_json(whole)) == []


def test_a_verdict_with_waivers_and_lost_devices_is_valid() -> None:
    whole = as_json(judged.example().to_json())
    assert problems("report", whole) == []
    assert whole["gate"]["rules"], "there is something to hold against the schema"
    assert problems("gate", {"schema": GATE_SCHEMA, **whole["gate"]}) == []


PLACES: dict[str, Callable[[Any], Any]] = {
    "report": lambda whole: whole,
    "artifact": lambda whole: whole["artifacts"][0],
    "parity": lambda whole: next(one["parity"] for one in whole["artifacts"] if one["parity"]),
    "result": lambda whole: whole["attacks"]["results"][0],
    "estimate": lambda whole: whole["attacks"]["results"][0]["auc"],
    "increase": lambda whole: whole["attacks"]["increases"][0],
    "rule": lambda whole: whole["gate"]["rules"][0],
    "indicator": lambda whole: whole["mis"]["quantizers"][0],
}


@pytest.mark.parametrize("place", PLACES)
def test_a_key_more_and_a_key_less_are_refused_where_the_shape_is_ours(place: str) -> None:
    whole = as_json(Report.from_json(sample.report()).to_json())
    node = PLACES[place](whole)
    node["surprise"] = 1
    assert problems("report", whole) != []
    del node["surprise"]
    assert problems("report", whole) == []
    del node[next(iter(node))]
    assert problems("report", whole) != []


def test_a_file_of_init_is_checked_by_editors_once_the_schema_lies_beside_it(tmp_path: Path) -> None:
    """The line is that of taplo and of editors built on it; the schema that it names is the published one."""
    for arguments in (["init"], ["schema", "audit", "--out", "audit.schema.json"]):
        subprocess.run([sys.executable, "-m", "harness", *arguments], cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "audit.toml").read_text()
    named = re.match(r"#:schema (\S+)\n", text)
    assert named is not None
    schema = json.loads((tmp_path / named[1]).read_text())
    assert schema == json.loads(published("audit"))
    assert list(Draft202012Validator(schema).iter_errors(as_json(tomllib.loads(text)))) == []


def test_the_verb_replaces_an_older_schema_and_nothing_else(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness", "schema", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)

    assert run("policy").stdout == published("policy")
    place = tmp_path / "policy.schema.json"
    place.write_text('{"$id": "urn:edgeleak:schema:policy"}')
    assert run("policy", "--out", place.name).returncode == 0
    assert place.read_text() == published("policy")
    place.write_text("mine")
    refused = run("policy", "--out", place.name)
    assert refused.returncode == 4
    assert "exists already" in refused.stderr
    assert place.read_text() == "mine"
