"""The command reference is the command line's."""

from __future__ import annotations

from tests.docs import reference


def test_the_command_reference_is_written_from_the_command_line() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run `python -m tests.docs.reference`"


def test_the_command_reference_has_every_verb_and_every_option() -> None:
    text = reference.page()
    for command, context in reference.verbs():
        assert context.command_path in text
        if not hasattr(command, "commands"):
            options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
            section = text[text.index(f"# {context.command_path}\n") :]
            assert all(one.opts[0] in section for one in options), context.command_path
