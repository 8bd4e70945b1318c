"""Names that every subject uses for its models, variants and populations."""

from __future__ import annotations

__all__ = ["AUDIT", "CANARIES", "CONTROL", "ORIGINAL", "POPULATION", "TARGET"]

# The audited model.
TARGET = "target"
# The uncompressed variant, which every other is made from and measured against.
ORIGINAL = "original"
# The uncompressed copy with the same extra training: what it leaks is not compression's doing.
CONTROL = "finetuned"
# The population that attacks are scored on: the target's members and non-members.
AUDIT = "audit"
# Records that were inserted on purpose, each trained on or not by a fair coin: audited alone.
CANARIES = "canaries"
# Records in no model's training set.
POPULATION = "population"
