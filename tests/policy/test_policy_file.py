"""A policy is a file of its own or the `[gate]` of audit.toml: both say the same, and each rule knows its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from harness.config import PRESETS, GateConfig, Place, load, load_policy, parse
from harness.errors import ConfigError

RULES = """\
[[rules]]
id = "auc"
max = 0.7

[[ rules ]]   # with spaces
id = "rates"
metric = "tpr_at_fpr"
at_fpr = 0.01
max = 0.2
fails_when = "possibly_above"

[[waiver]]
rule = "auc"
owner = "A. Person"
reason = "known since 1.0"
expires = 2030-01-31
"""


WAIVER = {"rule": 'rule = "a"', "owner": 'owner = "O"', "reason": 'reason = "R"', "expires": "expires = 2030-01-01"}


def waived(line: str, *, without: str = "") -> str:
    """A rule with a waiver that has this line in place of its own, and not that of another key."""
    keys = {**WAIVER, line.split()[0]: line}
    keys.pop(without, None)
    return '[[rules]]\nid = "a"\nmax = 0.6\n[[waiver]]\n' + "\n".join(keys.values()) + "\n"


def policy(folder: Path, text: str) -> GateConfig:
    path = folder / "policy.toml"
    path.write_text(text)
    return load_policy(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        policy(folder, text)
    assert str(caught.value).startswith(str(folder / "policy.toml"))
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_a_file_of_its_own_says_what_the_gate_of_an_audit_says(tmp_path: Path) -> None:
    own = policy(tmp_path, RULES)
    (tmp_path / "named.toml").write_text('name = "x"\n[gate]\npolicy = "policy.toml"\n')
    inside = RULES.replace("[[rules]]", "[[gate.rules]]").replace("[[ rules ]]", "[[gate.rules]]")
    (tmp_path / "inside.toml").write_text('name = "x"\n' + inside.replace("[[waiver]]", "[[gate.waiver]]"))
    for name in ("named.toml", "inside.toml"):
        gate = load(tmp_path / name).gate
        assert (gate.rules, gate.waiver) == (own.rules, own.waiver)
    assert own.waiver[0].expires == date(2030, 1, 31)


def test_a_policy_is_no_part_of_what_binds_a_run(tmp_path: Path) -> None:
    policy(tmp_path, RULES)
    (tmp_path / "audit.toml").write_text('name = "x"\n[gate]\npolicy = "policy.toml"\n')
    assert load(tmp_path / "audit.toml").digest() == parse({"name": "x"}).digest()


def test_a_policy_with_everything_comes_back_from_json(tmp_path: Path) -> None:
    text = 'preset = "strict"\nmax_flip_share = 0.1\n' + RULES + '\n[baseline]\nrun = "runs/last"\n'
    policy(tmp_path, text)
    (tmp_path / "audit.toml").write_text('name = "x"\n[gate]\npolicy = "policy.toml"\n')
    config = load(tmp_path / "audit.toml")
    again = parse(config.to_json()).gate
    assert again.rules == config.gate.rules
    assert (again.waiver, again.baseline, again.preset) == (config.gate.waiver, config.gate.baseline, "strict")


def test_every_rule_knows_the_line_on_which_it_is_written(tmp_path: Path) -> None:
    text = 'preset = "standard"\nmax_flip_share = 0.1\n\n' + RULES
    found = policy(tmp_path, text)
    lines = text.splitlines()
    file = str(tmp_path / "policy.toml")
    assert found.place("auc") == Place(file, lines.index("[[rules]]") + 1)
    assert found.place("rates") == Place(file, lines.index("[[ rules ]]   # with spaces") + 1)
    assert found.place("parity-0.1") == Place(file, 2)
    assert {found.place(rule.id).line for rule in PRESETS["standard"]} == {1}
    assert found.place("no such rule") == Place(file)


def test_what_stands_in_a_text_is_no_rule(tmp_path: Path) -> None:
    text = '[[waiver]]\nrule = "auc"\nowner = "A"\nreason = """\n[[rules]]\n"""\nexpires = 2030-01-01\n'
    text += '[[rules]]\nid = "auc"\nmax = 0.7\n'
    assert policy(tmp_path, text).place("auc").line == 8


def test_rules_in_a_list_have_the_line_of_the_list(tmp_path: Path) -> None:
    found = policy(tmp_path, '# first\nrules = [{ id = "a", max = 0.6 }, { id = "b", max = 0.7 }]\n')
    assert [found.place(one).line for one in ("a", "b")] == [2, 2]


def test_the_lines_of_an_audit_are_those_of_its_gate(tmp_path: Path) -> None:
    path = tmp_path / "audit.toml"
    path.write_text('name = "x"\n\n[gate]\nmax_flip_share = 0.1\n\n[[gate.rules]]\nmax = 0.7\n')
    gate = load(path).gate
    assert gate.place("auc-max-0.7") == Place(str(path), 6)
    assert gate.place("parity-0.1") == Place(str(path), 4)


def test_places_do_not_make_two_policies_differ_in_their_rules(tmp_path: Path) -> None:
    assert policy(tmp_path, RULES).rules == policy(tmp_path, "\n\n" + RULES).rules


def test_a_baseline_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    found = policy(tmp_path, '[baseline]\nreport = "last/report.json"\n')
    assert found.baseline is not None
    assert found.baseline.report == str(tmp_path / "last" / "report.json")
    assert found.baseline.name == "last/report.json"


def test_a_rule_of_the_file_takes_the_place_of_the_presets_rule_of_its_id(tmp_path: Path) -> None:
    found = policy(tmp_path, 'preset = "standard"\n[[rules]]\nid = "standard-auc"\nmax = 0.8\n')
    assert [rule.limit for rule in found.rules if rule.id == "standard-auc"] == [0.8]
    assert len(found.rules) == len(PRESETS["standard"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('policy = "other.toml"\n', "policy: this file is the policy already"),
        (
            '[[rules]]\nid = "r"\nmax = nan\n',
            "rule 'r': max: nan is no limit; give a number of 0.5 or more and below 1",
        ),
        ('[[rules]]\nid = "r"\nmax = -inf\nmetric = "epsilon_lower"\n', "rule 'r': max: -inf is no limit"),
        ('preset = "lenient"\n', "preset"),
        ('[[rules]]\nmax = 0.6\nfails_when = "estimate"\n', "fails_when"),
        (
            '[[rules]]\nid = "e"\nmetric = "epsilon_lower"\nmax = 1\nfails_when = "possibly_above"\n',
            "rule 'e': 'fails_when' does not go with metric = \"epsilon_lower\": without an upper bound",
        ),
        ('[[rules]]\nmax_flip_share = 0.1\nfails_when = "possibly_above"\n', "'fails_when' does not go with"),
        ('[[rules]]\nmax = 0.6\nagainst = "baseline"\n', "'against' does not go with 'max'"),
        ('[[rules]]\nid = "b"\nmax_increase = 0.1\nagainst = "baseline"\n', "rule 'b': against: there is no baseline"),
        ('[[rules]]\nmax = 0.6\nclasses = 3\nattacks = ["rmia"]\n', "'attacks' does not go with 'classes' and 'group'"),
        ("[[rules]]\nmax_increase = 0.1\nclasses = 3\n", "'classes' and 'group' go with 'max'"),
        ('[[rules]]\nmax = 0.6\nclasses = 3\ngroup = { column = "site" }\n', "do not go together"),
        ('[[rules]]\nmax = 0.6\nmetric = "mis_delta"\nvariants = ["int8"]\n', "'variants' does not go with metric"),
        ('[[rules]]\nmax = 0.6\nquantizers = "int8"\n', "'quantizers' does not go with a rule without"),
        ('[[rules]]\nmax = 0.6\ndevice = ""\n', "holds an empty name"),
        ("[[rules]]\nmax = 0.6\nmin_n = 0\n", "min_n"),
        ('[baseline]\nname = "x"\n', "needs one of 'run', a run folder, and 'report', a report.json"),
        ('[baseline]\nrun = "a"\nreport = "b"\n', "needs one of 'run'"),
        (waived('rule = "b"'), "waiver: there is no rule 'b' to waive; the rules are a"),
        (waived('rule = "*"'), "a waiver is about one rule"),
        (waived('owner = " "'), "is empty; a waiver says who accepted what, and why"),
        (waived('expires = "soon"'), "soon is no date; give a day, e.g. expires = 2026-12-31"),
        (waived("expires = 2030-01-01T00:00:00Z"), "is no date; give a day"),
        (waived("expires = 2030-01-01", without="owner"), "owner"),
        (waived("expires = 2030-01-01", without="reason"), "reason"),
        (waived('owner = "O"', without="expires"), "expires"),
    ],
)
def test_what_a_policy_cannot_mean_is_refused_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text('name = "x"\n[gate]\npolicy = "gone.toml"\n')
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        load(tmp_path / "audit.toml")


def test_a_gate_that_names_a_policy_holds_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names a file that holds the whole policy"):
        parse({"name": "x", "gate": {"policy": "policy.toml", "rules": [{"max": 0.6}]}})


def test_a_gate_whose_policy_was_not_read_has_no_rule_and_so_passes_nothing() -> None:
    assert parse({"name": "x", "gate": {"policy": "policy.toml"}}).gate.rules == ()


@pytest.mark.parametrize("device", [{"url": ""}, {"url": "  "}, {"urls": ["local", ""]}])
def test_an_empty_name_is_no_device(device: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="an empty name is no device"):
        parse({"name": "x", "device": device})
