"""NR, SR and MR at a hundred thousand records: memory, and how the time grows: ``pytest benchmarks/test_scale.py -s``.

Each size runs in a process of its own with two threads. A ratio of processor seconds a record travels; seconds do not.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Minutes on two idle cores; the limit that tests have is none for this.
pytestmark = pytest.mark.timeout(7200)
ROOT = Path(__file__).resolve().parent.parent
CLASSES = 100
FULL_RECORDS, FULL_VARIANTS = 100_000, 10
# Three doublings. Fewer variants: what grows with the records is the same for each of them.
SIZES, FEW_VARIANTS = (12_500, 25_000, 50_000, 100_000), 3
ATTACKS = ("confidence", "modified-entropy-class", "gbt", "sr2-rf", "mr-logistic", "mr-gbt")
MOST_MIB = 6 * 1024
# On a machine with other work the processor time of one size wanders by this much.
NOISE = 1.5


def evaluated(records: int, variants: int) -> dict[str, Any]:
    """What one evaluation took."""
    command = [sys.executable, "-m", "benchmarks.scale_run", "--classes", str(CLASSES)]
    command += ["--records", str(records), "--variants", str(variants)]
    command += [word for attack in ATTACKS for word in ("--attack", attack)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout)
    print(
        f"  {records:7,} records x {variants:2} variants x {CLASSES} classes: {row['seconds']:7.1f} s, "
        f"{1e3 * row['processor_seconds'] / records:6.2f} ms of processor a record, peak {row['peak_mib']:6.0f} MiB, "
        f"{row['results']} results",
        flush=True,
    )
    return row


def test_time_a_record_grows_no_faster_than_the_logarithm() -> None:
    print(f"\n{', '.join(ATTACKS)}")
    each = {n: evaluated(n, FEW_VARIANTS)["processor_seconds"] / n for n in SIZES}
    first, last = SIZES[0], SIZES[-1]
    grown, allowed = each[last] / each[first], math.log(last) / math.log(first)
    print(f"  time a record grew {grown:.2f}-fold over {last // first}-fold records; n log n allows {allowed:.2f}")
    assert grown < allowed * NOISE


def test_ten_variants_of_a_hundred_thousand_records_fit() -> None:
    print(f"\n{', '.join(ATTACKS)}")
    row = evaluated(FULL_RECORDS, FULL_VARIANTS)
    assert row["peak_mib"] < MOST_MIB
    assert set(row["auc"]) == {"NR", "SR", "MR"}
