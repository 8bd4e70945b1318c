"""An audit that every one of several devices does by itself: the same files, the same records, and a comparison.

What asks a device runs on all devices at the same time. Latency is the exception: devices on this computer, the local
agent and whatever is emulated, are timed one after the other. What computes here runs for one device after the other.
A device that is lost is tried again; one that is lost too often takes no part any more, and the others finish.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable
from typing import Any

from harness import subject
from harness.audit import joined, plan
from harness.audit.context import Context
from harness.audit.replicas import FINDINGS, Replica, Replicas, findings_of
from harness.audit.together import Stopped, together
from harness.config import AuditConfig
from harness.devices.pool import LOSSES_MAX
from harness.errors import ArtifactError, DeviceError, DeviceLostError, DeviceUnavailableError
from harness.store import Run

__all__ = ["audit_devices", "run_stage_of_devices"]

_GONE = (DeviceLostError, DeviceUnavailableError)
# Between a loss and the next try, seconds for each loss so far.
_PAUSE_SECONDS = 1.0
_SLICE_SECONDS = 0.05


def audit_devices(config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Do every stage that is not done yet, on every device; then compare the devices, judge and report.

    Returns:
        The report's JSON.

    Raises:
        DeviceError: no device finished; it is the first one's.
        EdgeleakError: what is wrong with the audit and not with one device.
    """
    order = plan.stages_of_a_device(config)
    with Replicas(config, run, context) as replicas:
        _forget_where_the_number_changed(replicas, run)
        asked = [one for one in replicas.all if not one.is_done(plan.ON_DEVICE.intersection(order))]
        _reach(asked, context)  # a device that is not there is better known before an hour of training
        _require(replicas, bool(replicas.active))
        _make_once(config, run, replicas, context)
        for stage in order:
            _stage(stage, [one for one in replicas.active if not one.run.is_done(stage)], context)
            _bind(config, run, replicas)
        finished = [one for one in replicas.all if one.is_done(order)]
        _require(replicas, bool(finished))
        for one in finished:
            for name in plan.ALWAYS_IN_ORDER:
                plan.run_stage_alone(name, one.config, one.run, one.context)
        run.write_json(FINDINGS, joined.join(config, run, replicas.all).to_json())
    for name in plan.ALWAYS_IN_ORDER:
        result = plan.run_stage_alone(name, config, run, context)
    return result


def run_stage_of_devices(name: str, config: AuditConfig, run: Run, context: Context) -> dict[str, Any]:
    """Do one stage that makes something on every device; see `harness.audit.plan.run_stage`.

    Returns:
        What the stage found, by the devices' names where each has its own.

    Raises:
        DeviceError: a device was lost; what the others did is kept.
    """
    with Replicas(config, run, context) as replicas:
        if name in plan.MADE_ONCE:
            _forget(replicas.all, plan.stages_of_a_device(config))
            return plan.run_stage_alone(name, config, run, context)
        if name in plan.ON_DEVICE:
            _reach(replicas.all, context)
        _share(config, run, replicas)
        _stage(name, replicas.active, context)
        _bind(config, run, replicas)
        if any(one.run.is_done("attack") for one in replicas.all):
            run.write_json(FINDINGS, joined.join(config, run, replicas.all).to_json())
        _require(replicas, all(one.error is None for one in replicas.all))
        return {one.name: one.run.read_json(f"results/{name}.json") for one in replicas.all}


def _make_once(config: AuditConfig, run: Run, replicas: Replicas, context: Context) -> None:
    """Make what no device makes, and let every device's run have it."""
    for name in plan.MADE_ONCE:
        if name in plan.stages_of(config) and not run.is_done(name):
            _forget(replicas.all, plan.stages_of_a_device(config))
            plan.run_stage_alone(name, config, run, context)
    _share(config, run, replicas)


def _share(config: AuditConfig, run: Run, replicas: Replicas) -> None:
    if config.kind != "trained":
        # Refuses files that changed since, and converts what a device cannot take as it is, once for all.
        subject.load(config, run).artifacts(run)
    replicas.link()


def _bind(config: AuditConfig, run: Run, replicas: Replicas) -> None:
    """Bind the whole to the supplied files, once a device found that they go together."""
    if config.kind != "trained" and any(one.run.is_done("collect") for one in replicas.all):
        subject.load(config, run).keep(run)


def _forget(replicas: Iterable[Replica], stages: Iterable[str]) -> None:
    for one in replicas:
        for stage in stages:
            one.run.forget(stage)


def _forget_where_the_number_changed(replicas: Replicas, run: Run) -> None:
    """Intervals hold for all devices together: with another number of devices the attacks measure anew."""
    before = findings_of(run)
    if before is not None and len(before.devices) != len(replicas.all):
        _forget(replicas.all, ("attack",))


def _reach(replicas: Iterable[Replica], context: Context) -> None:
    """Connect to the devices; one that is not there is not tried again."""

    def ask(one: Replica) -> None:
        one.info = one.context.device.info()

    _on_devices(replicas, context, ask, tries=1)


def _stage(name: str, replicas: Iterable[Replica], context: Context) -> None:
    """Do a stage for some devices."""

    def perform(one: Replica) -> None:
        plan.run_stage_alone(name, one.config, one.run, one.context)

    if name in plan.ON_DEVICE:
        _on_devices(replicas, context, perform, in_turn=name == "bench")
    else:
        for one in replicas:
            perform(one)


def _on_devices(
    replicas: Iterable[Replica],
    context: Context,
    ask: Callable[[Replica], None],
    *,
    tries: int = LOSSES_MAX,
    in_turn: bool = False,
) -> None:
    """Ask several devices at the same time; where `in_turn`, those on this computer one after the other."""
    lanes: dict[str, list[Replica]] = {}
    for one in replicas:
        lanes.setdefault("this computer" if in_turn and _is_here(one) else one.name, []).append(one)

    def lane(members: list[Replica]) -> Callable[[Callable[[], None]], None]:
        def run(check: Callable[[], None]) -> None:
            for one in members:
                one.check = check
                _try(one, context, ask, tries)

        return run

    errors = together({name: lane(members) for name, members in lanes.items()})
    for error in errors.values():
        if not isinstance(error, Stopped):
            raise error


def _try(one: Replica, context: Context, ask: Callable[[Replica], None], tries: int) -> None:
    """Ask one device; where it is lost, again, until it was lost too often."""
    while one.error is None:
        try:
            ask(one)
            return
        except _GONE as error:
            one.losses += 1
            one.context.close()
            if one.losses >= tries:
                one.error = error
            else:
                context.say(f"{one.name} was lost, and is tried again: {error}")
                _pause(_PAUSE_SECONDS * one.losses, one.check)
        except (DeviceError, ArtifactError) as error:
            one.error = error
    context.say(f"{one.name} takes no part any more: {one.error}")


def _pause(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check()
        time.sleep(_SLICE_SECONDS)


def _is_here(one: Replica) -> bool:
    """Whether the device computes on this computer, so that another one's work would be in its times."""
    return one.info is not None and (one.info.emulated or one.info.hostname == platform.node())


def _require(replicas: Replicas, holds: bool) -> None:
    """Raise the first device's failure unless something holds."""
    error = next((one.error for one in replicas.all if one.error is not None), None)
    if not holds and error is not None:
        raise error
