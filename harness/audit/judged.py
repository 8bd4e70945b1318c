"""What a policy judges in a finished run, read back, and the names that its rules may give."""

from __future__ import annotations

from collections.abc import Iterable

from harness import fields, policy
from harness.audit.findings import artifact_results, attack_findings, mis_findings, slice_findings
from harness.audit.of_devices import artifacts_of_devices, attacks_of_devices, mis_of_devices, slices_of_devices
from harness.audit.replicas import is_replicated, read_findings
from harness.config import AuditConfig, GateConfig
from harness.results import SliceFindings
from harness.store import Run
from harness.types import View

__all__ = ["answerable", "device_of", "found", "with_baseline"]


def found(config: AuditConfig, run: Run) -> policy.Found:
    """All that the audit found; each result with its device where there are several.

    Raises:
        RunError: it is missing or damaged.
    """
    if is_replicated(config, run):
        return policy.Found(
            attacks=attacks_of_devices(run),
            artifacts=artifacts_of_devices(run),
            slices=slices_of_devices(run),
            mis=mis_of_devices(run),
        )
    slices, mis = slice_findings(run), mis_findings(run)
    return policy.Found(
        attacks=attack_findings(run),
        artifacts=artifact_results(run),
        slices={} if slices is None else {"": slices},
        mis={} if mis is None else {"": mis},
    )


def device_of(config: AuditConfig, run: Run) -> str:
    """The one device that a run asked, as the user named it; empty where it asked none, or several."""
    if config.kind == "answers" or is_replicated(config, run) or not run.is_done("collect"):
        return ""
    return fields.text(fields.mapping(run.read_json("results/collect.json"), "device"), "url")


def answerable(config: AuditConfig, run: Run, results: policy.Found) -> policy.Answerable:
    """The names that rules may give: those of the configuration, and those that have a result.

    What the configuration says is taken from there, and not from what happens to have a result, so that a rule about
    something that got lost is not taken for one that was never to be answered.
    """
    attacks = results.attacks
    views = [*(one.view for one in attacks.results), *(one.view for one in attacks.skipped)]
    shown = (variant for view in views for variant in view.variants)
    variants = _distinct((*config.variants, *(one.variant for one in results.artifacts), *shown))
    controls = {one.variant for one in results.artifacts if one.is_control}
    controls |= {view.variants[0] for view in _control_views(results) if len(view.variants) == 1}
    if is_replicated(config, run):
        devices = tuple(one.name for one in read_findings(run).devices)
    else:
        devices = tuple(filter(None, (device_of(config, run),)))
    probes = config.kind == "trained" and config.mis.enabled
    return policy.Answerable(
        variants=variants,
        controls=tuple(name for name in variants if name in controls),
        attacks={view.attack: view.adversary for view in views},
        counterparts={one.attack: one.versus_attack or one.attack for one in attacks.results},
        fprs=config.attack.fprs,
        has_reference=config.kind == "trained",
        devices=devices,
        runtimes=_distinct(
            filter(None, (*(view.runtime for view in views), *(one.runtime for one in results.artifacts)))
        ),
        parts=_parts(results.slices.values()),
        quantizers=config.mis.quantizers if probes else (),
    )


def with_baseline(rules: GateConfig, config: AuditConfig, run: Run, results: policy.Found) -> policy.Baseline | None:
    """The increases over the baseline, where a rule asks for them; reading them takes libraries that compute."""
    if rules.baseline is None or all(rule.against != "baseline" for rule in rules.rules):
        return None
    from harness.audit.baseline import compare

    return compare(rules.baseline, config, run, results.attacks)


def _control_views(results: policy.Found) -> Iterable[View]:
    return (one.view for one in results.attacks.results if one.is_control)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _parts(slices: Iterable[SliceFindings]) -> dict[str, tuple[str, ...]] | None:
    """Column -> its values, of every part that was measured or is too small to be; None where nothing was looked at."""
    columns: dict[str, dict[str, None]] = {}
    looked = False
    for one in slices:
        looked = True
        measured = [result.part for view in one.views for result in view.slices]
        for part in (*measured, *one.too_small):
            columns.setdefault(part.column, {})[part.value] = None
    return {column: tuple(values) for column, values in columns.items()} if looked else None
