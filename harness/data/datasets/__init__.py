"""Named data sets and the user's own, and the split into members, non-members and the other roles.

The entry points are :func:`load`, :func:`split` and, to download files, :func:`fetch`; nothing here needs torch.
"""

from harness.data.datasets import _adult as _adult
from harness.data.datasets import _ag_news as _ag_news
from harness.data.datasets import _cifar as _cifar
from harness.data.datasets import _digits as _digits
from harness.data.datasets import _idx as _idx
from harness.data.datasets import _image_folders as _image_folders
from harness.data.datasets import _imdb as _imdb
from harness.data.datasets import _own_tables as _own_tables
from harness.data.datasets import _shokri as _shokri
from harness.data.datasets import _sst2 as _sst2
from harness.data.datasets import _trec as _trec
from harness.data.datasets._dataset import INPUT_NAME, Dataset, Kind, TextDataset
from harness.data.datasets._fetch import describe, fetch
from harness.data.datasets._images import ImageFiles
from harness.data.datasets._pretrained_tokenizer import read_tokenizer
from harness.data.datasets._registry import Place, Source, load, names, register
from harness.data.datasets._sources import source_warnings
from harness.data.datasets._split import ShadowSplit, Split, split
from harness.data.datasets._tokenizer import Tokenizer, train_tokenizer

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
