"""The three settings of the study: which records, which network, and how it is trained until it knows its members."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from harness.errors import UsageError

__all__ = ["COMPRESSED", "FINETUNED", "ORIGINAL", "RETRAINED", "SEED", "SETTINGS", "Part", "Setting", "setting_of"]

SEED = 20
ORIGINAL, FINETUNED, RETRAINED = "original", "finetuned", "retrained"
CLUSTERED = ("cluster-4", "cluster-8", "cluster-16")
COMPRESSED = ("prune-0.6", "prune-0.7", "prune-0.8", "prune-0.9", "int8", "int4", "ternary-0.5", *CLUSTERED)


@dataclass(frozen=True)
class Part:
    """Networks that are attacked together, and what is looked at.

    Args:
        name: of the part's results.
        networks: each target has all others of these as references.
        variants: looked at one by one and each beside the original; the controls are among them. The compressed ones
            are looked at together, too, with and without the original.
    """

    name: str
    networks: tuple[int, ...]
    variants: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One data set, its network and its training.

    Args:
        name: of the setting; the page is named after it.
        dataset: as :func:`harness.data.datasets.load` knows it.
        pool: records of which every network is trained on a random half of its own.
        population: records outside every training set.
        calibration: records outside every training set and the population, for the ranges of int8 activations.
        features: hashed word counts a text; 0 for records that are numbers already.
        model: as :func:`harness.models.build` knows it.
        width: of the model.
        optimizer: ``sgd`` with momentum 0.9, or ``adam``.
        learning_rate: at the first step; it falls along a half cosine.
        weight_decay: in training; fine-tuning has none.
        batch_size: records a step.
        epochs: of training; none is selected.
        finetune_epochs: after pruning and clustering, and of the uncompressed control.
        finetune_learning_rate: at the first step; shared values take a hundredth of it with SGD.
        networks: trained in all.
        targets: how many of a part's networks are attacked, its first ones.
        shadows: how many others play the target, so that attacks can be fitted; the part's last ones.
        shadow_rows: records of each shadow, at most.
        clustered_from: the first network whose clustered variants can be used. The networks before it were fine-tuned
            at a rate at which shared values diverge, and answer every record alike.
    """

    name: str
    dataset: str
    pool: int
    population: int
    calibration: int
    features: int
    model: str
    width: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    finetune_epochs: int
    finetune_learning_rate: float
    networks: int
    targets: int
    shadows: int
    shadow_rows: int
    clustered_from: int = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """One part, or two where only some networks have clustered variants that can be used."""
        others = tuple(v for v in COMPRESSED if v not in CLUSTERED)
        everyone = tuple(range(self.networks))
        if not self.clustered_from:
            return (Part("all", everyone, (ORIGINAL, FINETUNED, RETRAINED, *COMPRESSED)),)
        return (
            Part("all", everyone, (ORIGINAL, FINETUNED, RETRAINED, *others)),
            Part("clustered", everyone[self.clustered_from :], (ORIGINAL, FINETUNED, *CLUSTERED)),
        )

    @property
    def records(self) -> int:
        """Records that the setting takes from the data set."""
        return self.pool + self.population + self.calibration

    @property
    def variants(self) -> tuple[str, ...]:
        """Everything that is asked: the original, the two trained controls, the compressed versions."""
        return (ORIGINAL, FINETUNED, RETRAINED, *COMPRESSED)

    @property
    def training(self) -> dict[str, object]:
        """What the networks depend on."""
        attacking = ("networks", "targets", "shadows", "shadow_rows", "clustered_from")
        return {key: value for key, value in self.to_json().items() if key not in attacking}

    def to_json(self) -> dict[str, object]:
        """A JSON object; answers remember which setting they are of."""
        return asdict(self)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            name="cifar10",
            dataset="cifar10",
            pool=10_000,
            population=2_000,
            calibration=256,
            features=0,
            model="resnet18",
            width=64,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=5e-4,
            batch_size=128,
            epochs=60,
            finetune_epochs=20,
            finetune_learning_rate=1e-3,
            networks=16,
            targets=8,
            shadows=2,
            shadow_rows=2_000,
            clustered_from=8,
        ),
        Setting(
            name="location30",
            dataset="location30",
            pool=3_000,
            population=1_500,
            calibration=256,
            features=0,
            model="mlp",
            width=128,
            optimizer="adam",
            learning_rate=1e-3,
            weight_decay=0.0,
            batch_size=32,
            epochs=40,
            finetune_epochs=20,
            finetune_learning_rate=5e-4,
            networks=16,
            targets=8,
            shadows=2,
            shadow_rows=1_500,
        ),
        Setting(
            name="ag-news",
            dataset="ag-news",
            pool=4_000,
            population=2_000,
            calibration=256,
            features=2_048,
            model="mlp",
            width=128,
            optimizer="adam",
            learning_rate=1e-3,
            weight_decay=0.0,
            batch_size=32,
            epochs=20,
            finetune_epochs=10,
            finetune_learning_rate=5e-4,
            networks=16,
            targets=8,
            shadows=2,
            shadow_rows=1_500,
        ),
    )
}


def setting_of(name: str) -> Setting:
    """The setting of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in SETTINGS:
        raise UsageError(f"setting {name!r} is not known", hint=f"one of: {', '.join(SETTINGS)}")
    return SETTINGS[name]
