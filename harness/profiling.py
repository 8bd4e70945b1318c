"""Where the time of an ExecuTorch program goes on a device: fetches an ETDump and reads it, operator by operator."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from harness import files
from harness.config import ArtifactConfig
from harness.devices import open_device
from harness.errors import DependencyError, ProtocolError, UsageError
from harness.plain import plain
from harness.silence import silence
from harness.subject.supplied import artifact_of

__all__ = ["profile", "sentences", "table"]

SCHEMA = "edgeleak.profile/1"
# Made beside the profiled run, so that one sees what recording costs.
RUNS = 50
WARMUP = 10
NAME_CHARACTERS = 80
# Names of the runtime's own events. What a delegate reports comes before the call that it belongs to.
_OPERATOR, _DELEGATE, _WHOLE = "OPERATOR_CALL", "DELEGATE_CALL", "Method::execute"
_KERNEL = "native_call_"


def profile(
    path: Path, *, device: str = "local", out: Path | None = None, batch_size: int = 1, threads: int = 1
) -> dict[str, Any]:
    """Run a program on a device once more than it is timed, and read what the runtime recorded.

    Args:
        path: the .pte file.
        device: as ``--device`` takes it.
        out: where the ETDump is kept; None keeps none.
        batch_size: records of generated input.
        threads: of the runtime.

    Returns:
        The device, the median time without recording, and each operator and call of a delegate in order, as one JSON
        object; ``calls`` is None where the reader is not installed here.

    Raises:
        UsageError: the file is no .pte.
        DependencyError: the reader is not installed, and the dump is not kept for another machine either.
        DeviceError: the agent runs ExecuTorch by its Python bindings, which record nothing, or the device is lost.
        ProtocolError: what came is no ETDump.
        StorageError: the dump cannot be written.
    """
    if path.suffix != ".pte":
        raise UsageError(f"{path}: only ExecuTorch records profiles", hint="give a .pte file")
    readable = find_spec("executorch") is not None
    if not readable and out is None:
        raise DependencyError(
            "executorch is not installed, whose Inspector reads profiles",
            hint='pip install "edgeleak[executorch]", or keep the dump by --out and read it elsewhere',
        )
    artifact = artifact_of(path.name, ArtifactConfig(variant="profiled", file=str(path)))
    with open_device(device) as opened:
        info = opened.info()
        opened.deploy(artifact)
        with opened.lease():
            timed = opened.benchmark(
                artifact, warmup=WARMUP, runs=RUNS, batch_size=batch_size, threads=threads, profile=True
            )
    dump = timed.profile or b""
    if out is not None:
        files.write(out, dump)
    return {
        "schema": SCHEMA,
        "file": {"path": str(path), "sha256": artifact.sha256},
        "device": info.to_json(),
        "batch_size": batch_size,
        "threads": threads,
        "median_ns": int(np.median(timed.samples_ns)),
        "dump": {"path": None if out is None else str(out), "bytes": len(dump)},
        **(_read(dump, device) if readable else {"total_ns": None, "calls": None}),
    }


def table(result: Mapping[str, Any]) -> Table:
    """The calls as a table for the terminal; what a delegate reports of one stands under it."""
    view = Table(box=None, pad_edge=False)
    for column, justify in (("call", "left"), ("what", "left"), ("µs", "right"), ("share", "right")):
        view.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for number, call in enumerate(result["calls"] or ()):
        view.add_row(str(number), call["name"], f"{call['ns'] / 1e3:.1f}", f"{call['ns'] / result['total_ns']:.0%}")
        for part in call["parts"]:
            view.add_row("", f"  {part['name']}", f"{part['ns'] / 1e3:.0f}", "")
    return view


def sentences(result: Mapping[str, Any]) -> list[str]:
    """What a profile says beside its table."""
    median = result["median_ns"] / 1e3
    said = [f"without recording, a run with its inputs and outputs takes {median:.1f} µs, the median of {RUNS}"]
    if result["device"]["emulated"]:
        said.append("the device is emulated: its times, and their shares, are not those of hardware")
    if result["calls"] is None:
        said.append("executorch is not installed here, whose Inspector reads the dump")
        return said
    said.insert(0, f"the recorded run took {result['total_ns'] / 1e3:.1f} µs in {len(result['calls'])} calls")
    if any(call["parts"] for call in result["calls"]):
        said.append("inside a delegate's call, XNNPACK counts whole microseconds of its own operators: 0 means under 1")
    return said


def _read(dump: bytes, device: str) -> dict[str, Any]:
    """The calls of the one run in a dump, by the library's own reader."""
    with tempfile.NamedTemporaryFile(suffix=".etdump") as file:
        file.write(dump)
        file.flush()
        try:
            with silence():
                from executorch.devtools import Inspector
                from executorch.devtools.inspector import TimeScale

                blocks = Inspector(etdump_path=file.name, target_time_scale=TimeScale.NS).event_blocks
                events = [
                    (str(e.name), int(e.perf_data.raw[0]), bool(e.is_delegated_op))
                    for b in blocks
                    for e in b.events
                    if e.perf_data is not None and e.perf_data.raw
                ]
        except Exception as error:  # the reader raises what it likes on what a device sent
            raise ProtocolError(f"the profile is no ETDump: {plain(str(error))}", device=device) from error
    calls, total = _calls(events)
    if not calls or total <= 0:
        raise ProtocolError("the profile holds no run", device=device)
    return {"total_ns": total, "calls": calls}


def _calls(events: Iterable[tuple[str, int, bool]]) -> tuple[list[dict[str, Any]], int]:
    """Operators and calls of delegates in order, and the time of the whole run.

    Args:
        events: name, nanoseconds, and whether a delegate reports it.
    """
    calls: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    kernel, total = "", 0
    for name, ns, delegated in events:
        shown = plain(name, length=NAME_CHARACTERS)
        if delegated:
            parts.append({"name": shown, "ns": ns})
        elif name == _WHOLE:
            total = ns
        elif name == _OPERATOR:
            calls.append({"kind": "operator", "name": kernel or "operator", "ns": ns, "parts": []})
        elif name == _DELEGATE:
            calls.append({"kind": "delegate", "name": "delegate", "ns": ns, "parts": parts})
        elif name.startswith(_KERNEL):
            kernel = shown.removeprefix(_KERNEL)
        if name in (_OPERATOR, _DELEGATE):
            kernel, parts = "", []
    return calls, total
