"""Named data sets, and the split that says who is a member of what.

The face is :func:`load` and :func:`split`; nothing here needs torch.
"""

from harness.datasets import _cifar10 as _cifar10
from harness.datasets import _digits as _digits
from harness.datasets._registry import Dataset, load, names, register
from harness.datasets._split import ShadowSplit, Split, split

__all__ = ["Dataset", "ShadowSplit", "Split", "load", "names", "register", "split"]
