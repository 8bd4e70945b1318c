"""Writes the schemas into their files, beside this module."""

from __future__ import annotations

from pathlib import Path

from harness import files
from harness.schemas import NAMES, made, text_of

if __name__ == "__main__":
    for name in NAMES:
        files.write(Path(__file__).with_name(f"{name}.json"), text_of(made(name)).encode(), private=False)
