"""What pages say of the code is so: the attacks, which of them run by default, and the exit codes."""

from __future__ import annotations

import re
from pathlib import Path

from harness import attacks
from harness.errors import DeviceError, UsageError
from harness.policy._outcome import EXIT_CODES

ROOT = Path(__file__).parents[2]


def rows_of(page: str, title: str) -> list[str]:
    """The rows of the tables in a section of a page."""
    text = (ROOT / page).read_text()
    section = re.split(r"^## ", text[text.index(f"## {title}\n") + 3 :], flags=re.MULTILINE)[0]
    return [line for line in section.splitlines() if line.startswith("| ")]


def test_the_table_of_attacks_has_each_attack_with_its_adversary_and_marks_those_that_run_by_default() -> None:
    shown, bold = {}, set()
    for row in rows_of("docs/threat-models.md", "All attacks")[1:]:
        names, adversary = row.split("|")[1:3]
        shown.update(dict.fromkeys(re.findall(r"`([\w-]+)`", names), adversary.strip()))
        bold |= set(re.findall(r"\*\*`([\w-]+)`\*\*", names))
    # Attacks of other packages may be installed beside ours.
    ours = [name for name in attacks.names() if attacks.attack_class(name).__module__.startswith("harness.")]
    assert shown == {name: attacks.attack_class(name).adversary for name in ours}
    assert bold == set(attacks.headline())


def test_readers_are_told_the_exit_codes_that_the_code_has() -> None:
    expected: dict[str, str] = {outcome: str(code) for outcome, code in EXIT_CODES.items()}
    expected |= {"device": str(DeviceError.exit_code), "usage": str(UsageError.exit_code)}
    for page, title in (("README.md", "Audit files that ship"), ("ARCHITECTURE.md", "Exit codes")):
        told = {row.split("|")[1].strip(): row.split("|")[2] for row in rows_of(page, title)[1:]}
        words = {"pass": "pass", "fail": "gate failed", "inconclusive": "inconclusive", "device": "device error"}
        assert list(told) == ["0", "1", "2", "3", "4"]
        assert all(words.get(name, name) in told[code] for name, code in expected.items()), page
