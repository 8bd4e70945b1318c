"""The policies that documents show are policies, and what they say of presets is what presets are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.config import PRESETS, GateRule, Preset, RuleKind, load, load_policy
from harness.policy import check
from harness.policy.rules import RULES
from tests.policy.sample import AUDIT

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/policy.md").read_text()
BLOCKS = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_every_policy_of_the_guide_is_read_as_it_stands(tmp_path: Path) -> None:
    assert len(BLOCKS) >= 4
    for block in BLOCKS:
        if "# audit.toml" in block:
            (tmp_path / "policy.toml").write_text("[[rules]]\nmax = 0.6\n")
            (tmp_path / "audit.toml").write_text(block)
            assert load(tmp_path / "audit.toml").gate.rules
        else:
            (tmp_path / "policy.toml").write_text(block)
            assert load_policy(tmp_path / "policy.toml").rules


@pytest.mark.parametrize("commented", [False, True])
def test_the_example_is_a_policy_with_and_without_what_it_comments_out(tmp_path: Path, commented: bool) -> None:
    text = (ROOT / "examples/policy.toml").read_text()
    if commented:
        text = re.sub(r"^# (\[|[a-z_]+ = )", r"\1", text, flags=re.MULTILINE)
    (tmp_path / "policy.toml").write_text(text)
    policy = load_policy(tmp_path / "policy.toml")
    assert (policy.baseline is not None) == (len(policy.waiver) == 1) == commented
    check(policy, AUDIT)


def test_the_guide_names_every_key_and_no_other_side() -> None:
    for key in GateRule.model_fields:
        if key not in ("kind", *RULES):
            assert f"`{key}`" in GUIDE or f"`{key} = " in GUIDE or f"\n{key} = " in GUIDE, key
    assert all(f"`{kind}`" in GUIDE for kind in RULES)


def test_the_table_of_presets_has_their_numbers() -> None:
    table = GUIDE.partition("<!-- presets -->")[2].partition("\n\n")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    names: list[Preset] = ["strict", "standard", "report-only"]
    assert rows[0] == ["Rule", *(f"`{name}`" for name in names)]
    kinds: tuple[tuple[RuleKind, str], ...] = (
        ("max", "auc"),
        ("max", "tpr_at_fpr"),
        ("max_increase", "auc"),
        ("max_flip_share", "auc"),
    )
    for column, name in enumerate(names, start=1):
        for row, (kind, metric) in zip(rows[2:6], kinds, strict=True):
            (rule,) = [one for one in PRESETS[name] if (one.kind, one.metric) == (kind, metric)]
            warns = ", warns" if rule.severity == "warn" else ""
            assert row[column] == f"{rule.limit:g}{warns}", (name, row[0])
        first = PRESETS[name][0]
        assert rows[6][column] == f"`{first.fails_when}`"
        assert rows[7][column] == (str(first.min_n) if first.min_n else "")
