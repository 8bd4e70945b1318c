"""The command reference is the command line's."""

from __future__ import annotations

import re

from harness.cli._verbs import EVERYWHERE
from tests.docs import reference


def test_the_command_reference_is_written_from_the_command_line() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run `python -m tests.docs.reference`"


def test_the_command_reference_has_every_verb_and_every_option() -> None:
    text = reference.page()
    for command, context in reference.verbs():
        assert context.command_path in text
        if context.parent is not None and not hasattr(command, "commands"):
            options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
            section = re.split(r"^##", text[text.index(f"# {context.command_path}\n") + 1 :], flags=re.MULTILINE)[0]
            missing = [one.opts[0] for one in options if one.opts[0] not in section and one.name not in EVERYWHERE]
            assert missing == [], context.command_path
