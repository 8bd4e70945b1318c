"""The audits, each on two devices at once, and their comparison. Interrupted, the same command goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.audit.context import Context
from harness.audit.plan import audit_all
from harness.config import AuditConfig, parse
from harness.errors import ConfigError
from harness.store import Run
from studies.arm64.page import page
from studies.kit.pages import publish

__all__ = ["NETWORKS", "conduct"]

SCHEMA = "edgeleak.arm64/1"
# What every answer is compared with.
REFERENCE = "local"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Network:
    """A network that an emulated processor runs in milliseconds, and the records in the shape that it takes."""

    data: str
    width: int
    epochs: int


NETWORKS = {
    "cnn": _Network("digits", 16, 20),
    "mlp": _Network("digits-table", 64, 20),
    "bert": _Network("digits-words", 32, 12),
}
VARIANTS = (
    "original",
    "fp16",
    "int8",
    "int8-dynamic",
    "int8-weights",
    "int4",
    "int16x8",
    "int8-qat",
    "prune-0.8",
    "prune-0.8+int8",
    "cluster-16",
    "ternary-0.9",
)
# Those of a phone: PyTorch has no runtime for one any more.
RUNTIMES = ("litert", "executorch", "onnx")
MEMBERS, NONMEMBERS, POPULATION = 400, 400, 200
ATTACKS = ("confidence", "modified-entropy-class", "posterior-lr", "rmia", "sr2-lr")


def conduct(
    folder: Path,
    *,
    out: Path,
    networks: Sequence[str],
    device: str,
    seed: int,
    jobs: int | None,
    progress: Progress,
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Audit every network on this machine and on the device, and write the page.

    Args:
        folder: run folders of the networks go here.
        out: the Markdown page.
        networks: keys of `NETWORKS`.
        device: what is compared with this machine.
        seed: of every random choice.
        jobs: processes at once; None takes one a core.
        progress: called with (label, done, total).

    Returns:
        The findings as JSON, and the files that were written.

    Raises:
        ConfigError: a network is not known.
        EdgeleakError: a device was lost; what is finished is kept.
    """
    found = []
    for name in networks:
        config = _config(name, device, seed, jobs)

        def named(label: str, done: int, total: int, name: str = name) -> None:
            progress(f"{name}: {label}", done, total)

        with Run.open(folder / name, config) as run, Context(named, config.device) as context:
            report, _ = audit_all(config, run, context)
        found.append({"network": name, **{key: report[key] for key in ("devices", "attacks", "artifacts")}})
    findings = {"schema": SCHEMA, "device": device, "reference": REFERENCE, "networks": found}
    return findings, publish(out, page(findings), findings=findings, data=folder / "arm64.json")


def _config(name: str, device: str, seed: int, jobs: int | None) -> AuditConfig:
    if name not in NETWORKS:
        raise ConfigError(f"network {name!r} is not compared", hint=f"one of: {', '.join(NETWORKS)}")
    network = NETWORKS[name]
    return parse(
        {
            "name": f"arm64-{name}",
            "seed": seed,
            **({} if jobs is None else {"jobs": jobs}),
            "data": {
                "name": network.data,
                "members": MEMBERS,
                "nonmembers": NONMEMBERS,
                "population": POPULATION,
            },
            "model": {"name": name, "width": network.width},
            "training": {"epochs": network.epochs, "batch_size": 32, "shadows": 1},
            "compression": {"variants": list(VARIANTS), "finetune_epochs": 2},
            "export": {"runtimes": list(RUNTIMES)},
            "attack": {"names": list(ATTACKS)},
            "mis": {"enabled": False},
            # Emulated latency says nothing; a run of each file is the least that can be asked for.
            "bench": {"runs": 1, "rounds": 1, "warmup": 0, "warmup_s": 0.0, "duration_s": 0.0},
            "device": {"urls": [REFERENCE, device], "timeouts": {"connect": 90, "idle": 300}},
        },
        source=f"comparison of {name}",
    )
