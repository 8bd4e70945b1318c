"""What attacks lose where an app shows its top classes or its label alone, on one collection of real files.

Run with ``pytest benchmarks/test_label_only.py -s``. A target and its shadows are trained, exported and asked by an
agent in a process of its own, once; what it answered is then attacked in every mode, so that the records, the files and
the disturbed copies are the same. A rate is n/a where ties or too few records leave it open. Location-30 is attacked
where its file lies in ``../shared/datasets/location30``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import attacks
from harness.config import load
from harness.data.exposed_outputs import VECTOR, Exposure
from harness.results import Result
from harness.store import Run
from harness.subject import observations

LOCATION = Path(__file__).parents[2] / "shared" / "datasets" / "location30"
NAMES = ("confidence", "lira", "rmia", "sr2-lr", "sr2-rf", "mr-logistic", "mr-gbt")
FPRS = (0.05, 0.01)
VIEWS = {
    "NR": ("original",),
    "SR": ("original", "prune-0.9"),
    "MR": ("original", "prune-0.9", "int8"),
}
COPIES = 16
# Of the label alone an app shows one vote a record, or those of copies that cost a query each.
MODES = {
    "vector": VECTOR,
    "top-3": Exposure("top-k", 3),
    "label, votes": Exposure("label", copies=COPIES),
    "label, 1 query": Exposure("label"),
}

SHARED = f"""
[compression]
variants = ["original", "prune-0.9", "int8"]
finetune_epochs = 5

[attack]
answers = "label"
label_copies = {COPIES}

[mis]
enabled = false
"""
AUDITS = {
    "digits": """
name = "digits"
seed = 7

[data]
members = 400
nonmembers = 400
population = 200

[model]
width = 32

[training]
epochs = 25
learning_rate = 2e-3
shadows = 4

[export]
runtimes = ["litert", "onnx"]
""",
    "location30": f"""
name = "location30"
seed = 1

[data]
name = "location30"
data_dir = "{LOCATION}"
members = 1000
nonmembers = 1000
population = 500
calibration = 64
shadow_pool = 2000

[model]
name = "mlp"
width = 128

[training]
epochs = 40
batch_size = 32
learning_rate = 1e-3
shadows = 4

[export]
runtimes = ["onnx"]
""",
}


@pytest.fixture(params=AUDITS)
def collected(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """A run that is collected and not attacked."""
    name: str = request.param
    if name == "location30" and not LOCATION.is_dir():
        pytest.skip("needs the Location-30 data set")
    source = tmp_path / "audit.toml"
    source.write_text(AUDITS[name] + SHARED)
    for stage in ("train", "export", "collect"):
        command = [sys.executable, "-m", "harness", stage, str(source), "--run", str(tmp_path / "run"), "-q"]
        subprocess.run(command, check=True, capture_output=True)
    with Run.open(tmp_path / "run", load(source)) as run:
        yield run


def measured(run: Run, runtime: str) -> dict[tuple[str, str], Result]:
    """(attack, mode) -> the result on one view, the same for all modes; printed as a table."""
    rows: dict[tuple[str, str], Result] = {}
    skipped: dict[tuple[str, str], str] = {}
    for mode, exposure in MODES.items():
        target, shadows = observations.read(run, runtime, exposure)
        seen = VIEWS["MR"]
        found = attacks.evaluate(target, shadows, attacks=NAMES, variants=seen, fprs=FPRS, n_jobs=1)
        rows |= {(one.attack, mode): one for one in found.results if one.variants == VIEWS[one.adversary]}
        skipped |= {(one.view.attack, mode): one.reason for one in found.skipped}
    queries = "   ".join(f"{mode}: {(one.copies or 0) + 1} queries a record" for mode, one in MODES.items())
    print(f"\n{run.config.name}, {runtime}; {queries}\nAUC [95%], TPR at {', '.join(f'{fpr:.0%}' for fpr in FPRS)} FPR")
    for name in NAMES:
        first = rows[name, "vector"]
        print(f"{first.adversary} {name} on {' + '.join(first.variants)}")
        for mode in MODES:
            if (name, mode) not in rows:
                print(f"   {mode:15} not run: {skipped[name, mode]}")
                continue
            row = rows[name, mode]
            rates = " ".join(f"{one.value:6.1%}" if one.resolvable else "   n/a" for one in row.tpr_at_fpr.values())
            print(f"   {mode:15} {row.auc.value:.3f} [{row.auc.low:.3f}, {row.auc.high:.3f}] {rates}")
    return rows


@pytest.mark.filterwarnings("ignore")
def test_label_only(collected: Run) -> None:
    for runtime in collected.config.export.runtimes:
        rows = measured(collected, runtime)
        for name in ("rmia", "lira"):
            votes, alone = rows[name, "label, votes"], rows[name, "label, 1 query"]
            assert votes.auc.low > 0.5, "votes of disturbed copies distinguish members"
            assert votes.auc.value > alone.auc.value, "more than one answer a record does"
