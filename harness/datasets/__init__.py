"""Named data sets and the user's own, and the split that says who is a member of what.

The face is :func:`load` and :func:`split`, and :func:`fetch` for whoever has no files yet; nothing here needs torch.
"""

from harness.datasets import _adult as _adult
from harness.datasets import _ag_news as _ag_news
from harness.datasets import _bits as _bits
from harness.datasets import _cifar as _cifar
from harness.datasets import _digits as _digits
from harness.datasets import _idx as _idx
from harness.datasets import _image_folders as _image_folders
from harness.datasets import _imdb as _imdb
from harness.datasets import _own_tables as _own_tables
from harness.datasets import _sst2 as _sst2
from harness.datasets import _trec as _trec
from harness.datasets._dataset import INPUT_NAME, Dataset, Kind, TextDataset
from harness.datasets._fetch import describe, fetch
from harness.datasets._images import ImageFiles
from harness.datasets._pretrained_tokenizer import read_tokenizer
from harness.datasets._registry import Place, Source, load, names, register
from harness.datasets._sources import source_warnings
from harness.datasets._split import ShadowSplit, Split, split
from harness.datasets._tokenizer import Tokenizer, train_tokenizer

__all__ = [
    "INPUT_NAME",
    "Dataset",
    "ImageFiles",
    "Kind",
    "Place",
    "ShadowSplit",
    "Source",
    "Split",
    "TextDataset",
    "Tokenizer",
    "describe",
    "fetch",
    "load",
    "names",
    "read_tokenizer",
    "register",
    "source_warnings",
    "split",
    "train_tokenizer",
]
