"""Files of the repository that the documentation site shows: pages of the root, and what pages link to outside docs/.

On a code host a page of ``docs/`` links to ``../examples/phone.toml`` and to ``../SECURITY.md``. The site has the same
files: pages of the root are pages of the site, other linked files are copied, and links are rewritten for both.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

__all__ = ["ROOT_PAGES", "linked_files", "on_files", "on_page_markdown", "rewritten"]

ROOT = Path(__file__).parent.parent
# Pages of the repository's root that are pages of the site, too. Its README is the site's start, docs/index.md.
ROOT_PAGES = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
# A link or an image: its text, then the target with an anchor.
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#\s])")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def linked_files(text: str) -> list[str]:
    """Paths, from the root, of the files outside docs/ that a page of docs/ links to."""
    return [target.removeprefix("../") for target in LINK.findall(FENCE.sub("", text)) if target.startswith("../")]


def rewritten(text: str, page: str) -> str:
    """A page with its links as they are in the site.

    Args:
        text: of the page, in Markdown.
        page: its path in the site; those of ``ROOT_PAGES`` lie one folder higher in the repository.
    """

    def target(match: re.Match[str]) -> str:
        found = match[1]
        if re.match(r"[a-z]+:|/", found):
            return found
        at = PurePosixPath(found) if page in ROOT_PAGES else PurePosixPath("docs") / found
        parts: list[str] = []
        for part in at.parts:
            if part == ".." and parts:
                parts.pop()
            else:
                parts.append(part)
        place = "/".join(parts)
        return "index.md" if place == "README.md" else place.removeprefix("docs/")

    blocks = [(match.start(), match.end()) for match in FENCE.finditer(text)]
    pieces, last = [], 0
    for start, end in [*blocks, (len(text), len(text))]:
        pieces += [LINK.sub(target, text[last:start]), text[start:end]]
        last = end
    return "".join(pieces)


def on_files(files: Files, *, config: Any) -> Files:
    """Add the root's pages, and what pages link to outside docs/."""
    wanted = set(ROOT_PAGES)
    for file in files.documentation_pages():
        wanted.update(linked_files(file.content_string))
    for page in ROOT_PAGES:
        text = (ROOT / page).read_text()
        wanted.update(
            found
            for found in LINK.findall(FENCE.sub("", text))
            if not re.match(r"[a-z]+:", found) and not found.startswith("docs/")
        )
    for place in sorted(wanted - {"README.md"}):
        if (ROOT / place).is_file() and files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, abs_src_path=str(ROOT / place)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Rewrite a page's links."""
    return rewritten(markdown, page.file.src_uri)
