"""A look at arrays without a run: attacks on answers from anywhere, the MIS indicator on losses."""

from harness.arrays._attack import FPRS, TOP_K, attack
from harness.arrays._findings import ArrayFindings
from harness.arrays._mis import mis, mis_file
from harness.arrays._outputs import KINDS, require_places, write
from harness.arrays._picture import RocPicture

__all__ = [
    "FPRS",
    "KINDS",
    "TOP_K",
    "ArrayFindings",
    "RocPicture",
    "attack",
    "mis",
    "mis_file",
    "require_places",
    "write",
]
