"""The cage as the agent sees it: what a kernel lacks is said or required; and what the runtimes never do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from device_agent import cage
from device_agent.settings import CageSettings, WorkerSettings, environment
from tests.device_agent.exported import Agent, Exported, run_agent

GIB = 1 << 30
NETS = {"litert": "net.tflite", "executorch": "net.pte", "pytorch-mobile": "net.ptl", "onnx": "net.onnx"}
# Starts a program under a filter that makes system calls fail as on a kernel that does not have them.
LACKING = """
import ctypes, os, struct, sys
from device_agent.cage import _kernel
from device_agent.cage._seccomp import ALLOW, UNKNOWN, Instruction as I, _SECCOMP
numbers = {"landlock": 444, "seccomp": _SECCOMP[_kernel.machine()]}
code = [I(0x20, 0)]
for name in sys.argv[1].split(","):
    code += [I(0x15, numbers[name], 0, 1), I(0x06, UNKNOWN)]
code.append(I(0x06, ALLOW))
packed = ctypes.create_string_buffer(b"".join(i.pack() for i in code))
head = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(packed)))
_kernel.prctl(38, 1)
_kernel.call(numbers["seccomp"], 1, 0, head)
os.execv(sys.argv[2], sys.argv[2:])
"""
# Loads and runs one file of each runtime, and lets whatever reports in the background have its time.
RUN_ALL = """
import sys, time
from pathlib import Path
import numpy as np
from device_agent.runtimes import library
for runtime, path in zip(sys.argv[1::2], sys.argv[2::2]):
    library(runtime).load(Path(path), threads=2).run([np.zeros((2, 1, 8, 8), np.float32)])
    time.sleep(1)
print("ran")
"""
# A model of each runtime, without the collector of cycles: what nothing refers to is gone at once.
FORGET_ALL = """
import gc, sys, weakref
from pathlib import Path
import numpy as np
from device_agent.runtimes import library
for runtime, path in zip(sys.argv[1::2], sys.argv[2::2]):
    library(runtime).prepare()
    gc.collect()
    gc.disable()
    model = library(runtime).load(Path(path), threads=1)
    model.run([np.zeros((3, 1, 8, 8), np.float32)])
    still_there = weakref.ref(model)
    del model
    print(runtime, "kept" if still_there() else "gone")
"""
LOAD_NOTHING = """
import sys
from pathlib import Path
from device_agent.errors import AgentError
from device_agent.runtimes import library
for runtime, path in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        library(runtime).load(Path(path + ".gone"), threads=1)
    except AgentError as error:
        print(runtime, error.code)
"""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the cage is Linux's")


def python(code: str, *arguments: str, prefix: tuple[str, ...] = (), env: dict[str, str] | None = None) -> list[str]:
    """The lines that a program printed, run in a process of its own."""
    command = [*prefix, sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def named_files(exported: Exported) -> list[str]:
    return [word for runtime, name in NETS.items() for word in (runtime, str(exported.path(name)))]


def lacking(what: str) -> tuple[str, ...]:
    if cage.available(GIB).unconfined:
        pytest.skip("this kernel lacks it anyway")
    return (sys.executable, "-c", LACKING, what)


@linux
@pytest.mark.parametrize(
    ("what", "said"),
    [("landlock", ["Landlock"]), ("seccomp", ["filter"]), ("landlock,seccomp", ["Landlock", "filter"])],
)
def test_agent_that_requires_a_sandbox_does_not_start_without(what: str, said: list[str]) -> None:
    process = run_agent("--require-sandbox", prefix=lacking(what))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    (line,) = err.splitlines()
    assert line.startswith("edgeleak-agent: --require-sandbox: ")
    assert all(word in line for word in said)


@linux
@pytest.mark.parametrize("what", ["landlock", "seccomp", "landlock,seccomp"])
def test_agent_runs_with_what_the_kernel_has(start_agent: Callable[..., Agent], exported: Exported, what: str) -> None:
    agent = start_agent(prefix=lacking(what))
    digest = agent.upload(exported.path("net.tflite"))
    (answer,) = agent.invoke([digest], [{"args_0": exported.images}])
    values = np.frombuffer(answer.answers[0].outputs[0].data, np.float32).reshape(exported.logits.shape)
    np.testing.assert_allclose(values, exported.logits, atol=1e-5)


def test_available_says_what_is_missing_in_sentences() -> None:
    sandbox = cage.available(GIB)
    assert set(sandbox.unconfined) <= set(sandbox.missing)
    bare = cage.Sandbox()
    assert len(bare.unconfined) == 3
    assert all("models can" in sentence or "worker" in sentence for sentence in bare.unconfined)


def test_default_memory_is_half_of_what_is_available() -> None:
    assert cage.default_memory_bytes() >= cage.MEMORY_BYTES_MIN


def test_cage_refuses_to_leave_threads_outside() -> None:
    code = """
import threading, sys
from pathlib import Path
from device_agent import cage
from device_agent.settings import CageSettings
threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    cage.enter(CageSettings(Path("/tmp"), 1 << 30))
except OSError as error:
    print(error)
"""
    assert python(code) == ["other threads run already, which cannot be confined"]


def test_settings_reach_the_worker_as_they_are(tmp_path: Path) -> None:
    for confined in (None, CageSettings(tmp_path, GIB, require=True)):
        settings = WorkerSettings(7, 42, confined)
        assert WorkerSettings.from_argument(settings.to_argument()) == settings


def test_worker_inherits_no_secrets() -> None:
    passed = {"LANG": "C", "PYTHONPATH": "/x", "EDGELEAK_EXECUTORCH_SHIM": ""}
    inherited = {"EDGELEAK_TOKEN": "secret", "AWS_SECRET_ACCESS_KEY": "secret", **passed}
    assert environment(inherited) == {**passed, "OPENBLAS_NUM_THREADS": "1"}


def test_no_runtime_opens_a_socket_or_leaves_a_file(exported: Exported, tmp_path: Path) -> None:
    """Nothing confines this process: the runtimes do not try."""
    for folder in ("home", "temporary"):
        (tmp_path / folder).mkdir()
    trace = tmp_path / "trace"
    follow = ("strace", "-f", "-o", str(trace), "-e", "trace=network")
    apart = ("unshare", "--map-root-user", "--net")
    try:
        subprocess.run([*apart, *follow, "true"], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("needs strace and network namespaces")
    env = {**os.environ, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "temporary")}
    env.pop("ORT_DISABLE_TELEMETRY", None)
    assert python(RUN_ALL, *named_files(exported), prefix=(*apart, *follow), env=env)[-1] == "ran"
    # A local socket asks the name service who this user is; everything else would reach the network.
    calls = [line for line in trace.read_text().splitlines() if "socket(" in line]
    assert [line for line in calls if "AF_UNIX" not in line] == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path != trace] == []


def test_a_model_that_nothing_refers_to_leaves_memory_at_once(exported: Exported) -> None:
    assert python(FORGET_ALL, *named_files(exported)) == [f"{runtime} gone" for runtime in NETS]


def test_a_file_that_is_gone_is_a_refusal(exported: Exported) -> None:
    assert python(LOAD_NOTHING, *named_files(exported)) == [f"{runtime} INVALID_ARGUMENT" for runtime in NETS]
