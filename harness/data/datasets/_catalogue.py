"""Addresses, sizes, licences and checksums of the data sets that can be fetched.

A checksum is listed only where it is widely published or was measured on the file of the pinned commit in the address.
A file without a checksum is not fetched, because it cannot be verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CATALOGUE", "Download", "Offer"]


@dataclass(frozen=True)
class Download:
    """One file to download.

    Args:
        url: address at which its authors or its maintainers publish it.
        size_bytes: its size; None where it is not known.
        sha256: its digest; None where it is not known.
        unpack: pattern of the archive members to unpack; the first group is the member's path in the folder.
    """

    url: str
    size_bytes: int | None
    sha256: str | None
    unpack: str | None = None

    @property
    def name(self) -> str:
        """The file's name in the folder."""
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True)
class Offer:
    """A data set that can be fetched.

    Args:
        licence: the licence that its authors state.
        downloads: its files.
    """

    licence: str
    downloads: tuple[Download, ...]


MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
ADULT = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/"
AG_NEWS = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/555590db4219b1243abb1918effd6a7425a2d75f/data/"
TREC = "https://cogcomp.seas.upenn.edu/Data/QA/QC/"
SHOKRI = "https://raw.githubusercontent.com/privacytrustlab/datasets/169de9de00de049dd2e571cf7279e64698ac046a/"

CATALOGUE: Mapping[str, Offer] = {
    "adult": Offer(
        "CC BY 4.0 (Becker & Kohavi 1996, UCI)",
        (
            Download(
                ADULT + "adult.data", 3_974_305, "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"
            ),
            Download(
                ADULT + "adult.test", 2_003_153, "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05"
            ),
        ),
    ),
    "ag-news": Offer(
        "non-commercial research (Zhang et al. 2015)",
        (
            Download(
                AG_NEWS + "ag_news_csv/train.csv",
                29_470_338,
                "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e",
            ),
            Download(
                AG_NEWS + "ag_news_csv/test.csv",
                1_857_427,
                "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699",
            ),
        ),
    ),
    "cifar10": Offer(
        "none stated by the authors (Krizhevsky 2009)",
        (
            Download(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                r"cifar-10-batches-bin/((?:data_batch_[1-5]|test_batch)\.bin)",
            ),
        ),
    ),
    "cifar100": Offer(
        "none stated by the authors (Krizhevsky 2009)",
        (
            Download(
                "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                168_513_733,
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                r"cifar-100-binary/((?:train|test)\.bin)",
            ),
        ),
    ),
    "fashion-mnist": Offer(
        "MIT (Zalando SE)",
        (
            Download(
                FASHION + "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            Download(
                FASHION + "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            Download(
                FASHION + "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            Download(
                FASHION + "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
    "imdb": Offer(
        "none stated by the authors (Maas et al. 2011)",
        (
            Download(
                "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                84_125_825,
                "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            ),
        ),
    ),
    "location30": Offer(
        "none stated by the authors (Shokri et al. 2017)",
        (
            Download(
                SHOKRI + "dataset_location.tgz",
                287_293,
                "927203f85a868f8ee17a0ded1dc61699efe602167beabe34fbf45b4b1de94b33",
            ),
        ),
    ),
    "mnist": Offer(
        "CC BY-SA 3.0, as commonly stated (LeCun, Cortes & Burges)",
        (
            Download(
                MNIST + "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            Download(
                MNIST + "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            Download(
                MNIST + "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            Download(
                MNIST + "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    "purchase100": Offer(
        "none stated by the authors (Shokri et al. 2017)", (Download(SHOKRI + "dataset_purchase.tgz", None, None),)
    ),
    "sst2": Offer(
        "none stated by the authors (Socher et al. 2013)",
        (
            Download(
                "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
                7_439_277,
                "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
                r"SST-2/((?:train|dev)\.tsv)",
            ),
        ),
    ),
    "texas100": Offer(
        "none stated by the authors (Shokri et al. 2017)", (Download(SHOKRI + "dataset_texas.tgz", None, None),)
    ),
    "tiny-imagenet": Offer(
        "ImageNet's terms: non-commercial research",
        (
            Download(
                "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
                248_100_043,
                "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
                r"tiny-imagenet-200/(wnids\.txt|val/val_annotations\.txt|(?:train/n\d+|val)/images/\w+\.JPEG)",
            ),
        ),
    ),
    "trec": Offer(
        "none stated by the authors (Li & Roth 2002)",
        (
            Download(
                TREC + "train_5500.label", 335_858, "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3"
            ),
            Download(
                TREC + "TREC_10.label", 23_354, "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e"
            ),
        ),
    ),
}
