"""Sections that say how a subject is asked, timed and attacked, and on which device."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.config._section import Count, Rate, Section

__all__ = ["Answers", "AttackConfig", "BenchConfig", "CollectConfig", "DeviceConfig", "PoolMode", "TimeoutsConfig"]

# Up to a year: far beyond any audit, and far below where a deadline's nanoseconds overflow.
Seconds = Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)]
# What an app shows of a model's answers: the confidence vector, its largest classes, or the top class alone.
Answers = Literal["vector", "top-k", "label"]
# What several devices do: each all of it, so that they are compared; or each a share of one run.
PoolMode = Literal["replicate", "split"]


class CollectConfig(Section):
    """How records travel to the device."""

    batch_size: Annotated[int, Field(ge=1, le=256)] = 64


class AttackConfig(Section):
    """Which attacks, and how their results are reported; None means the default set.

    `samia` asks the device about noisy copies of the records: how many, and how large the noise is; None means the
    published size, or one step of the input's quantization where a variant computes in 8 bits and that is larger.
    `delta` is that of the bounds of epsilon in the report's section on differential privacy; 0 means pure.
    `answers` is what the app shows of its answers, of the shadows' and references' too: the confidence `vector`, the
    `top_k` largest classes, or the `label` alone. With `label`, the device is asked about `label_copies` disturbed
    copies of each record, for NR, SR and MR alike; `label_noise` scales how far they are disturbed.
    """

    names: tuple[str, ...] | None = None
    level: Rate = 0.95
    fprs: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.05, 0.01)
    delta: Annotated[float, Field(ge=0, lt=1)] = 1e-5
    answers: Answers = "vector"
    top_k: Count = 3
    label_copies: Annotated[int, Field(ge=1, le=1000)] = 16
    label_noise: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 1.0
    samia_draws: Annotated[int, Field(ge=1, le=100)] = 10
    samia_epsilon: Annotated[float, Field(gt=0)] | None = None


class BenchConfig(Section):
    """How latency is measured on the device.

    Each file is run at least `runs` times that take at least `duration_s` seconds, split over `rounds`; in each round
    every file has its turn, in another order, so that heat and neighbours meet all alike. Before each turn the device
    rests for `cooldown_s`; then come at least `warmup` runs, for at least `warmup_s`, that are not counted. With `cold`
    each file is also loaded in a fresh process, and its load, first inference and peak memory are reported.
    """

    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 1
    warmup: Annotated[int, Field(ge=0, le=1_000_000)] = 5
    warmup_s: Annotated[float, Field(ge=0, le=3600)] = 0.01
    runs: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    duration_s: Annotated[float, Field(ge=0, le=3600)] = 0.2
    rounds: Annotated[int, Field(ge=1, le=1000)] = 8
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    cooldown_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    cold: bool = False


class TimeoutsConfig(Section):
    """How long to wait for a device, in seconds; what is not given has the defaults of `harness.devices.Timeouts`.

    `connect` is until its first answer, `upload` for one file besides a second a MiB, `invoke` for one stream of
    batches or one benchmark, `idle` between two answers, `reconnect` for a connection that broke, `busy` for
    a device that somebody else holds for timing.
    """

    connect: Seconds | None = None
    upload: Seconds | None = None
    invoke: Seconds | None = None
    idle: Seconds | None = None
    reconnect: Seconds | None = None
    busy: Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)] | None = None

    def given(self) -> dict[str, float]:
        """The keys that the file has."""
        return self.model_dump(exclude_none=True)


class DeviceConfig(Section):
    """Where artifacts run: `local`, or `grpc://host:port`; and how long to wait for it.

    `urls` names several devices at once, in the place of `url`, and `mode` says what they do: with `replicate` each
    does everything, and they are compared; with `split` they share the work of one run.
    """

    url: str = "local"
    urls: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    mode: PoolMode = "replicate"
    timeouts: TimeoutsConfig = TimeoutsConfig()

    @model_validator(mode="after")
    def _names_each_device_once(self) -> Self:
        if not all(name.strip() for name in self.names):
            raise ValueError("an empty name is no device: is the variable set that it comes from? Leave it out")
        if self.urls is None:
            if self.mode == "split":
                raise ValueError("mode: 'split' is for several devices; give them as urls")
            return self
        if self.url != "local":
            raise ValueError("url: does not go with urls; put the device into urls")
        twice = [name for name, count in Counter(" ".join(url.split()) for url in self.urls).items() if count > 1]
        if twice:
            raise ValueError(f"urls: {twice[0]!r} is named twice; name each device once")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The devices as the user named them."""
        return (self.url,) if self.urls is None else self.urls

    @property
    def replicates(self) -> bool:
        """Whether each of several devices does everything, in a run of its own."""
        return self.urls is not None and self.mode == "replicate"

    @property
    def splits(self) -> bool:
        """Whether several devices share the work of one run."""
        return self.urls is not None and self.mode == "split"
