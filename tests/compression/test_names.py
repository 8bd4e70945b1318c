"""Names of variants: what they are parsed into, and names that are refused."""

from __future__ import annotations

import re
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
        ("sign", "grid", "fp32", None),
        ("ternary-0.33", "grid", "fp32", None),
        ("uniform-3", "grid", "fp32", None),
        ("uniform-8-channel", "grid", "fp32", None),
        ("prune-global-0.8", "prune-global", "fp32", 0.8),
        ("int8-qat", "qat", "int8", None),
        ("prune-0.8+int8", "prune", "int8", 0.8),
        ("prune-global-0.8+int8-dynamic", "prune-global", "int8-dynamic", 0.8),
        ("cluster-16+int8", "cluster", "int8", 16),
        ("finetuned+int4", "finetuned", "int4", None),
    ],
)
def test_a_known_name_is_parsed_into_family_numerics_and_level(
    name: str, family: str, numerics: str, level: float | None
) -> None:
    variant = compression.parse(name)
    assert (variant.name, variant.family, variant.numerics, variant.level) == (name, family, numerics, level)
    assert variant.finetunes == (family not in ("original", "quantize", "grid"))
    assert variant.weights == ("original" if family == "quantize" else name.partition("+")[0])


PRUNES = ["prune", "prune-0", "prune-1", "prune-1.5", "prune--0.5", "prune-nan"]
CLUSTERS = ["cluster-1", "cluster-2.5", "cluster-257"]
GRIDS = ["sign-2", "ternary", "ternary-0.0", "ternary-1.0", "uniform-0", "uniform-9", "uniform-2-tensor"]


COMBINED = [
    "prune-0.8+",
    "prune-0.8+fp32",
    "prune-0.8+int2",
    "int8+int8",
    "original+int8",
    "sign+int8",
    "int8-qat+int8",
]


@pytest.mark.parametrize("name", ["", "fp32", "int2", "Original", *PRUNES, *CLUSTERS, *GRIDS, *COMBINED])
def test_an_unknown_variant_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"variant '{name}'")):
        compression.parse(name)


def test_an_unknown_variant_is_refused_with_the_known_forms() -> None:
    with pytest.raises(ConfigError) as caught:
        compression.parse("distilled")
    for form in ("original", "finetuned", "prune-<", "cluster-<", *compression.NUMERICS[1:], "sign", "uniform-<bits>"):
        assert form in str(caught.value)


def test_quantizers_are_parsed_as_variants_and_fp32_is_one() -> None:
    assert compression.parse_quantizer("fp32") == compression.Variant("fp32", "quantize", "fp32")
    for name in ("int8", "sign", "prune-0.5", "cluster-8"):
        assert compression.parse_quantizer(name) == compression.parse(name)


def test_names_are_read_without_torch() -> None:
    code = "import sys, harness.compression as c; c.parse('prune-0.6'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
