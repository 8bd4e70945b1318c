"""What a variant's name asks for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import compression
from harness.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "family", "numerics", "level"),
    [
        ("original", "original", "fp32", None),
        ("finetuned", "finetuned", "fp32", None),
        ("prune-0.85", "prune", "fp32", 0.85),
        ("cluster-16", "cluster", "fp32", 16),
        ("int8", "quantize", "int8", None),
        ("int8-dynamic", "quantize", "int8-dynamic", None),
        ("int4", "quantize", "int4", None),
        ("fp16", "quantize", "fp16", None),
    ],
)
def test_known_forms(name, family, numerics, level):
    made = compression.parse(name)
    assert (made.name, made.family, made.numerics, made.level) == (name, family, numerics, level)
    assert made.finetunes == (family in ("finetuned", "prune", "cluster"))


PRUNES = ["prune", "prune-0", "prune-1", "prune-1.5", "prune--0.5", "prune-nan"]
CLUSTERS = ["cluster-1", "cluster-2.5", "cluster-257"]


@pytest.mark.parametrize("name", ["", "fp32", "int2", "Original", *PRUNES, *CLUSTERS])
def test_other_names_are_refused_with_the_name(name):
    with pytest.raises(ConfigError, match=f"variant '{name}'"):
        compression.parse(name)


def test_an_unknown_form_lists_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"original, finetuned, prune-<.*, cluster-<.*, int8, int8-dynamic, int4, fp16"
    ):
        compression.parse("distilled")


def test_names_are_read_without_torch():
    code = "import sys, harness.compression as c; c.parse('prune-0.6'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
