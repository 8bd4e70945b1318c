"""The list of attacks: every one says in a sentence what it does, what it needs, and where it comes from."""

from __future__ import annotations

import re

import pytest

from harness.attacks import attack_class, catalogue, headline, names
from harness.errors import UsageError


def test_every_attack_has_a_sentence_and_a_source() -> None:
    rows = catalogue()
    assert [row.name for row in rows] == list(names())
    for row in rows:
        assert 15 < len(row.sentence) < 160, row.name
        assert re.search(r"\b(19|20)\d\d\b", row.paper) or row.paper.startswith("Not from"), row.name
        assert "`" not in row.sentence + row.paper
        assert "\n" not in row.sentence + row.paper


def test_what_an_attack_needs_is_what_its_class_observes() -> None:
    for row in catalogue():
        attack = attack_class(row.name)
        assert set(row.needs) == attack.needs
        assert (row.adversary, row.family) == (attack.adversary, attack.family)
    assert tuple(row.name for row in catalogue() if row.is_default) == headline()


@pytest.mark.parametrize(
    ("written", "meant"), [("confidnce", "confidence"), ("lira_online", "lira-online"), ("sr2rf", "sr2-rf")]
)
def test_an_unknown_name_gets_the_nearest_ones(written: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"do you mean .*\b{meant}\b.*--list` shows all {len(names())}\)"):
        attack_class(written)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(UsageError, match=r"attack '' is unknown \(`edgeleak attack --list` shows all"):
        attack_class("")
