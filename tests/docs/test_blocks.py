"""Blocks of output are what the commands above them print, and a stale one is found."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.docs import blocks
from tests.docs.scene import make
from tests.test_commands import complaint


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("scene") / "files")


@pytest.mark.slow
@pytest.mark.parametrize("document", blocks.documents(), ids=lambda path: path.stem)
def test_the_blocks_of_a_document_are_what_its_commands_print(document: Path, scene: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scene, tmp_path / "work"))
    late = [made for _, made in blocks.stale(document, folder)]
    assert not late, f"run `python -m tests.docs.blocks --write {document.name}`; it would be\n" + "\n".join(late)


@pytest.mark.parametrize("document", blocks.documents(), ids=lambda path: path.stem)
def test_no_output_of_a_command_is_without_a_mark(document: Path) -> None:
    assert blocks.unmarked(document.read_text()) == []


@pytest.mark.parametrize("document", blocks.documents(), ids=lambda path: path.stem)
def test_what_was_recorded_names_its_day_and_a_command_of_the_command_line(document: Path) -> None:
    for block in blocks.blocks_of(document.read_text()):
        if block.mark == "recorded":
            assert re.match(r"20\d\d-\d\d-\d\d: ", block.rest), block.rest
            words = shlex.split(block.command)
            assert words[0] == "edgeleak"
            assert complaint(words[1:]) is None, block.command


def test_a_stale_block_is_found_and_a_fresh_one_is_not(tmp_path: Path) -> None:
    text = "<!-- made -->\n```\n$ printf 'a  b\\n12.5 ms\\n'\na b\n9 ms\n$ echo $?\n0\n```\n"
    page = tmp_path / "page.md"
    page.write_text(text)
    assert blocks.stale(page, tmp_path) == []
    page.write_text(text.replace("a b", "a c"))
    ((_, made),) = blocks.stale(page, tmp_path)
    assert made == "$ printf 'a  b\\n12.5 ms\\n'\na  b\n12.5 ms\n$ echo $?\n0\n"


def test_a_file_of_the_document_is_there_for_later_commands(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: given.txt -->\n```toml\nx = 1\n```\n\n<!-- run: cp given.txt copy.txt -->\n\n"
        '<!-- made by: cat copy.txt copy.txt | sed "1s/x/y/" -->\n```\ny = 1\nx = 1\n```\n'
    )
    assert blocks.stale(page, tmp_path) == []


def test_only_the_lines_that_the_mark_asks_for_are_shown(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('<!-- made, first 2, from "7" 2 -->\n```\n$ seq 9\n1\n2\n...\n7\n8\n...\n```\n')
    assert blocks.stale(page, tmp_path) == []


def test_a_failing_command_shows_what_it_says_on_standard_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- made -->\n```\n$ echo wrong >&2; (exit 4)\nwrong\n$ echo progress >&2; echo result\nresult\n```\n"
    )
    assert blocks.stale(page, tmp_path) == []


def test_output_without_a_mark_is_noticed() -> None:
    shown = "```\n$ edgeleak devices \\\n    --json\n[]\n```\n"
    assert blocks.unmarked(shown) == ["$ edgeleak devices \\"]
    assert blocks.unmarked("<!-- made -->\n" + shown) == []
    assert blocks.unmarked("```\n$ edgeleak devices\n$ edgeleak doctor\n```\n") == []
