"""An audit as options describe it: the audit.toml that is written of them describes the same audit."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.config import load, parse
from harness.errors import ConfigError
from harness.subject.draft import Draft, named_files

FILES = {"original": Path("files/a model.tflite"), "int8": Path('files/"quoted"\\n.tflite')}
DRAFTS = {
    "files and two sides": Draft(
        artifacts=FILES, members=Path("m.npz"), nonmembers=Path("n.npz"), attacks=("confidence",), max_increase=0.05
    ),
    "a table": Draft(
        artifacts=FILES, members=Path("m.csv"), nonmembers=Path("n.csv"), label='the "kind"', population=Path("z.csv")
    ),
    "one file of records": Draft(artifacts=FILES, records=Path("both.npz"), max_auc=0.6, max_increase=0.05),
    "answers": Draft(artifacts={}, answers=Path("answers.npz"), attacks=("rmia", "sr2-lr"), max_auc=0.61),
    "tables": Draft(
        artifacts={}, answers=Path("answers.csv"), shadows=(Path("s0.csv"), Path("s1.parquet")), max_auc=0.6
    ),
    "a name of its own": Draft(artifacts={}, answers=Path("answers.npz"), name="nightly"),
}


@pytest.mark.parametrize("name", DRAFTS)
def test_the_file_describes_the_audit_that_the_options_describe(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    draft, place = DRAFTS[name], tmp_path / "elsewhere" / "audit.toml"
    place.parent.mkdir()
    place.write_text(draft.toml(place.parent, {}))
    config, written = draft.config(), load(place)
    assert written.digest() == config.digest()
    written = written.with_changes(gate=written.gate.placed({}))  # options stand in no line of a file
    assert written.gate == config.gate
    assert written == config, "paths are those of the options, wherever the file lies"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=20))
@example("\x7f")
@example('a"b\\c')
def test_any_file_name_can_be_written(name: str) -> None:
    if name in (".", ".."):
        return
    draft = Draft(artifacts={"original": Path(name)}, records=Path("r.npz"), label=name)
    table = tomllib.loads(draft.toml(Path.cwd(), {}))
    assert table["artifact"] == [{"variant": "original", "file": name}]
    assert table["records"]["label"] == name
    assert parse(table).name


def test_comments_stand_above_what_they_are_about() -> None:
    draft = DRAFTS["files and two sides"]
    text = draft.toml(Path.cwd(), {"int8": ["takes pixels", "answers logits"], "records": ["30 members"]})
    lines = text.splitlines()
    at = lines.index('variant = "int8"')
    assert lines[at - 3 : at] == ["# takes pixels", "# answers logits", "[[artifact]]"]
    assert lines[lines.index("[records]") - 1] == "# 30 members"


def test_without_a_rule_the_file_says_that_nothing_is_decided() -> None:
    text = DRAFTS["a table"].toml(Path.cwd(), {})
    assert "# Without a rule the audit decides nothing and ends inconclusive (exit code 2)." in text
    assert "gate" not in tomllib.loads(text)
    assert tomllib.loads(text.replace("# [[gate.rules]]", "[[gate.rules]]").replace("# max", "max"))["gate"]["rules"]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["int8"], "'int8': expected NAME=FILE"),
        (["=a.tflite"], "expected NAME=FILE"),
        (["int8="], "expected NAME=FILE"),
        (["a/b=a.tflite"], "expected NAME=FILE"),
        (["a\nb=a.tflite"], r"'a\nb=a.tflite': expected NAME=FILE"),
        (["int8=a.tflite", "int8=b.tflite"], "int8 names a.tflite already"),
    ],
)
def test_an_artifact_that_is_no_name_and_file_is_refused_on_one_line(given: list[str], word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        named_files(given)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("draft", "word"),
    [
        (Draft(artifacts=FILES), "records: missing"),
        (Draft(artifacts={}, members=Path("m.npz"), nonmembers=Path("n.npz")), "artifact: missing"),
        (Draft(artifacts=FILES, members=Path("m.npz")), "needs 'members' and 'nonmembers'"),
        (
            Draft(artifacts=FILES, members=Path("m.npz"), nonmembers=Path("n.npz"), records=Path("r.npz")),
            "'file' holds",
        ),
        (Draft(artifacts=FILES, answers=Path("a.npz"), records=Path("r.npz")), "does not go with"),
        (Draft(artifacts={"../x": Path("a.tflite")}, records=Path("r.npz")), 'key "variant": expected a name'),
    ],
)
def test_options_that_do_not_go_together_are_refused(draft: Draft, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        draft.config()
    assert word in str(caught.value)
