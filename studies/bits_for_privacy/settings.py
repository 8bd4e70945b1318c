"""The two settings of the study: which records, which network, how long it is trained, and how many there are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from studies.bits_for_privacy.variants import VARIANTS, Variant, stopped

__all__ = ["CIFAR10", "LOCATION30", "SEED", "Setting", "quick"]

SEED = 41


@dataclass(frozen=True)
class Setting:
    """One data set, its network and its training.

    Args:
        name: of the setting, and of the data set as :func:`harness.data.datasets.load` knows it.
        title: how the page calls it.
        pool: records of which every network is trained on a random half of its own; all of them are scored.
        population: records outside every training set, on which accuracy is measured.
        calibration: records outside both, for the ranges of int8 activations.
        shrink: side of the squares of pixels that are averaged into one; 1 leaves the records as they are.
        model: as :func:`harness.models.build` knows it.
        width: of the model.
        learning_rate: at Adam's first step; it falls along a half cosine.
        batch_size: records a step.
        epochs: of training; none is selected.
        stops: epochs after which the float network is exported, too.
        networks: trained in all; each is attacked with all others as references.
    """

    name: str
    title: str
    pool: int
    population: int
    calibration: int
    shrink: int
    model: str
    width: int
    learning_rate: float
    batch_size: int
    epochs: int
    stops: tuple[int, ...]
    networks: int

    @property
    def records(self) -> int:
        """Records that the setting takes from the data set."""
        return self.pool + self.population + self.calibration

    @property
    def asked(self) -> int:
        """Records that every file is asked about: pool and population."""
        return self.pool + self.population

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All files of a network."""
        return (*VARIANTS, *map(stopped, self.stops))

    @property
    def training(self) -> dict[str, object]:
        """What a network's answers depend on, as JSON; answers remember it."""
        parts = {key: value for key, value in asdict(self).items() if key not in ("networks", "title")}
        return parts | {"stops": list(self.stops), "seed": SEED, "variants": [v.name for v in self.variants]}


LOCATION30 = Setting(
    name="location30",
    title="Location-30, an MLP",
    pool=3_000,
    population=1_500,
    calibration=256,
    shrink=1,
    model="mlp",
    width=128,
    learning_rate=1e-3,
    batch_size=32,
    epochs=40,
    stops=(1, 2, 3, 4, 6, 8, 12),
    networks=64,
)
CIFAR10 = Setting(
    name="cifar10",
    title="CIFAR-10 at 16 x 16 pixels, a narrow ResNet-18",
    pool=2_000,
    population=600,
    calibration=256,
    shrink=2,
    model="resnet18",
    width=8,
    learning_rate=2e-3,
    batch_size=50,
    epochs=12,
    stops=(1, 2, 3, 5),
    networks=20,
)


def quick(setting: Setting) -> Setting:
    """The same with few networks, few records and a short training: minutes become seconds, and little is resolved."""
    return replace(
        setting,
        pool=setting.pool // 5,
        population=setting.population // 5,
        calibration=64,
        epochs=max(4, setting.epochs // 3),
        stops=(2,),
        networks=8,
    )
