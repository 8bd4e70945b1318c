"""The shim of ExecuTorch: it answers as the Python runtime does, needs no torch, and refuses what is damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from device_agent.errors import AgentError
from device_agent.runtimes import providers
from device_agent.runtimes.executorch import VARIABLE, _place, _shim, find, load
from device_agent.runtimes.executorch.build import BuildError, build, cached_wheel
from protos.edgeleak.v1 import agent_pb2
from tests.device_agent.exported import Agent, Exported, status
from tests.device_agent.mutate_programs import mutated
from tests.device_agent.shims import arm64_shim, programs, shim

__all__ = ["arm64_shim", "programs", "shim"]

PROGRAMS = ("net.pte", "sqrt.pte", "text.pte", "baked.pte")
MUTATIONS = 300
_ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent


@pytest.fixture
def shim_agent(shim: Path, monkeypatch: pytest.MonkeyPatch, start_agent: Callable[..., Agent]) -> Agent:
    """An agent that runs ExecuTorch by the shim."""
    monkeypatch.setenv(VARIABLE, str(shim))
    return start_agent()


@pytest.mark.slow
def test_the_shim_answers_bit_for_bit_as_the_python_runtime(
    shim: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(shim))
    names = {path.stem for path in programs.glob("*.pte")}
    kinds = {"delegated", "portable", "unplanned", "quantized-kernels", "several", "text", "layout"}
    assert kinds | {"cnn-int8", "cnn-fp16", "mlp-int8-dynamic"} <= names
    for name in sorted(names):
        model = load(programs / f"{name}.pte", threads=1)
        with np.load(programs / f"{name}.npz") as table:
            batches = sorted({key.split("/")[0] for key in table.files})
            for n in batches:
                inputs = [table[f"{n}/in/{position}"] for position in range(len(model.inputs))]
                expected = [table[key] for key in sorted(table.files) if key.startswith(f"{n}/out/")]
                outputs, _ = model.run(inputs)
                assert len(outputs) == len(expected)
                for output, wanted in zip(outputs, expected, strict=True):
                    assert (output.dtype, output.shape) == (wanted.dtype, wanted.shape), (name, n)
                    assert output.tobytes() == wanted.tobytes(), (name, n)
        assert len(batches) == 3


def test_an_agent_with_a_shim_runs_programs_without_torch(shim_agent: Agent, exported: Exported) -> None:
    info = shim_agent.stub.GetDeviceInfo(agent_pb2.GetDeviceInfoRequest(), timeout=60)
    named = {runtime.provider for runtime in info.runtimes if runtime.runtime == agent_pb2.RUNTIME_EXECUTORCH}
    assert named == {"executorch 1.5.1 (shim)"}
    digest = shim_agent.upload(exported.path("net.pte"))
    (answer,) = shim_agent.invoke([digest], [{"args_0": exported.images[:5]}])
    logits = np.frombuffer(answer.answers[0].outputs[0].data, np.float32).reshape(5, 10)
    np.testing.assert_allclose(logits, exported.logits[:5], atol=1e-5)
    mapped = Path(f"/proc/{shim_agent.worker().pid}/maps").read_text()
    assert "libedgeleak_executorch.so" in mapped
    assert "libtorch" not in mapped


def test_an_agent_without_a_shim_runs_programs_by_torch(
    exported: Exported, monkeypatch: pytest.MonkeyPatch, start_agent: Callable[..., Agent]
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert find() is None
    agent = start_agent()
    digest = agent.upload(exported.path("net.pte"))
    agent.invoke([digest], [{"args_0": exported.images[:5]}])
    assert "libtorch" in Path(f"/proc/{agent.worker().pid}/maps").read_text()
    assert providers()["executorch"].startswith("executorch 1.")
    assert "shim" not in providers()["executorch"]
    with pytest.raises(grpc.RpcError) as raised:
        list(agent.stub.Benchmark(_profiled(digest), timeout=60))
    code, message = status(raised)
    assert code == "FAILED_PRECONDITION"
    assert "device_agent.runtimes.executorch.build" in message


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_keeps_its_answers_when_the_number_of_threads_changes(
    name: str, shim: Path, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(shim))
    inputs = [exported.ids, exported.mask] if name == "text.pte" else [exported.images]
    answers = []
    for threads in (1, 2, 1):
        model = load(exported.path(name), threads=threads)
        answers.append(model.run(inputs)[0][0].copy())
        del model
    assert answers[0].tobytes() == answers[1].tobytes() == answers[2].tobytes()


def test_the_next_run_leaves_the_last_answer_as_it_was(
    shim: Path, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(shim))
    model = load(exported.path("net.pte"), threads=1)
    first = model.run([exported.images[:1]])[0][0]
    before = first.tobytes()
    model.run([exported.images[1:2]])
    assert first.tobytes() == before


@pytest.mark.parametrize("name", ["net.pte", "text.pte"])
def test_a_damaged_program_is_refused_with_words_or_ends_its_own_process(
    name: str, shim: Path, exported: Exported, tmp_path: Path
) -> None:
    outcomes: list[str] = []
    deaths = 0
    while len(outcomes) < MUTATIONS:
        done = subprocess.run(
            [
                sys.executable, "-m", "tests.device_agent.mutate_programs", str(exported.path(name)),
                str(len(outcomes)), str(MUTATIONS), str(tmp_path / "damaged.pte"),
            ],
            capture_output=True, text=True, check=False, cwd=_ROOT, timeout=300,
            env={**os.environ, VARIABLE: str(shim)},
        )  # fmt: skip
        outcomes += done.stdout.splitlines()
        if done.returncode:
            assert done.returncode < 0, done.stderr[-2000:]
            outcomes.append("died")
            deaths += 1
    refused = [line for line in outcomes if line not in ("answered", "died")]
    assert len(outcomes) == MUTATIONS
    assert len(refused) > MUTATIONS / 3
    assert deaths < MUTATIONS / 20
    assert all(len(line.split()) > 3 for line in refused), refused
    assert not any(str(tmp_path) in line for line in refused)


def test_an_agent_outlives_damaged_programs(shim_agent: Agent, exported: Exported, tmp_path: Path) -> None:
    source = exported.path("net.pte").read_bytes()
    codes = []
    for seed in range(60):
        damaged = tmp_path / "damaged.pte"
        damaged.write_bytes(mutated(source, seed) or b"x")
        try:
            digest = shim_agent.upload(damaged)
            shim_agent.invoke([digest], [{"args_0": exported.images[:1]}])
        except grpc.RpcError as error:
            codes.append(error.code())
    assert len(codes) > 20
    assert set(codes) <= {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL}
    assert shim_agent.process.poll() is None
    digest = shim_agent.upload(exported.path("net.pte"))
    assert shim_agent.invoke([digest], [{"args_0": exported.images[:1]}])


def test_a_profile_names_the_operators_of_one_run(shim_agent: Agent, exported: Exported) -> None:
    from harness.profiling import profile, sentences

    result = profile(exported.path("net.pte"), device=shim_agent.url, batch_size=64)
    assert [call["kind"] for call in result["calls"]] == ["delegate", "operator", "delegate"]
    assert result["calls"][1]["name"] == "mean.out"
    assert any("Convolution" in part["name"] for part in result["calls"][0]["parts"])
    assert 0 < sum(call["ns"] for call in result["calls"]) <= result["total_ns"]
    assert result["dump"]["path"] is None
    assert len(sentences(result)) == 3
    on_an_emulator = {**result, "device": {**result["device"], "emulated": True}}
    assert [one for one in sentences(on_an_emulator) if "emulated" in one] == list(
        set(sentences(on_an_emulator)) - set(sentences(result))
    )


def test_a_profile_of_a_file_with_a_baked_batch_is_of_its_own_batch(shim_agent: Agent, exported: Exported) -> None:
    digest = shim_agent.upload(exported.path("baked.pte"))
    parts = list(shim_agent.stub.Benchmark(_profiled(digest), timeout=120))
    assert [part.WhichOneof("part") for part in parts][-1] == "profile"
    assert parts[-1].profile[8:12] == b"ED00"


def test_a_shim_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / _place.FILE
    broken.write_text("no library")
    monkeypatch.setenv(VARIABLE, str(broken))
    with pytest.raises(AgentError, match="cannot be loaded") as raised:
        _shim.prepare()
    assert raised.value.code == "FAILED_PRECONDITION"
    assert str(broken) in raised.value.message


def test_a_shim_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no g++ here")
    source, other = tmp_path / "other.cpp", tmp_path / _place.FILE
    source.write_text('extern "C" unsigned edgeleak_abi() { return 99; }')
    subprocess.run(["g++", "-shared", "-fPIC", "-o", str(other), str(source)], check=True, timeout=120)
    monkeypatch.setenv(VARIABLE, str(other))
    with pytest.raises(AgentError, match="another version of edgeleak") as raised:
        _shim.prepare()
    assert "device_agent.runtimes.executorch.build" in raised.value.message


def test_a_shim_in_the_users_cache_is_found(shim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"EDGELEAK_CACHE_DIR": str(tmp_path)}
    arch = _place.machine()
    assert arch is not None
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / name))
    assert find(environment) is None
    shutil.copytree(shim.parent, _place.cache_folder(arch, environment) / _place.FOLDER)
    found = find(environment)
    assert found is not None
    assert found.provider == "executorch 1.5.1 (shim)"


def test_the_shims_folder_needs_the_system_alone(shim: Path) -> None:
    own = {path.name for path in shim.parent.glob("*.so")}
    system = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libstdc++.so.6", "libgcc_s.so.1"}
    for path in shim.parent.glob("*.so"):
        dynamic = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
        needed = {line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "NEEDED" in line}
        assert needed <= own | system | {"ld-linux-x86-64.so.2"}, path.name
        assert "$ORIGIN" in dynamic, path.name
    assert (shim.parent / "LICENSE.executorch").is_file()


def test_the_same_wheel_gives_the_same_bytes(shim: Path, tmp_path: Path) -> None:
    again = build("x86_64", executorch=cached_wheel("x86_64"), out=tmp_path)
    for path in shim.parent.iterdir():
        assert path.read_bytes() == (again.parent / path.name).read_bytes(), path.name


def test_a_missing_compiler_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"apt install g\+\+-aarch64-linux-gnu" if _is_x86() else "apt install"):
        build("arm64", executorch=tmp_path, out=tmp_path)


def test_a_package_without_libraries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "executorch").mkdir()
    arch = _place.machine() or "x86_64"
    with pytest.raises(BuildError, match=r"from version 1\.5 on"):
        build(arch, executorch=tmp_path, out=tmp_path / "out")
    with pytest.raises(BuildError, match="neither a wheel nor a folder"):
        build(arch, executorch=tmp_path / "nothing", out=tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_wheel_for_another_machine_is_refused(arm64_shim: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="not for x86_64"):
        build("x86_64", executorch=cached_wheel("arm64"), out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_shim_for_arm64_answers_as_torch(arm64_shim: Path, exported: Exported, tmp_path: Path) -> None:
    emulator, sysroot = shutil.which("qemu-aarch64"), Path("/usr/aarch64-linux-gnu")
    if emulator is None or not sysroot.is_dir():
        pytest.skip("no qemu-aarch64 here, or no C library for it: apt install qemu-user g++-aarch64-linux-gnu")
    runner = tmp_path / "run_shim"
    source = _HERE / "run_shim.cpp"
    subprocess.run(["aarch64-linux-gnu-g++", "-O1", "-o", str(runner), str(source), "-ldl"], check=True, timeout=120)
    images = exported.images[:8]
    done = subprocess.run(
        [emulator, "-L", str(sysroot), str(runner), str(arm64_shim), str(exported.path("net.pte")), "8"],
        input=images.tobytes(), capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logits = np.frombuffer(done.stdout, np.float32).reshape(8, 10)
    np.testing.assert_allclose(logits, exported.logits[:8], atol=1e-5)


def _profiled(digest: str) -> agent_pb2.BenchmarkRequest:
    return agent_pb2.BenchmarkRequest(sha256=digest, runs=2, batch_size=1, threads=1, profile=True)


def _is_x86() -> bool:
    return _place.machine() == "x86_64"
