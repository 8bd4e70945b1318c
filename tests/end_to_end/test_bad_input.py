"""Bad input: one line that names the thing and the next step, the documented exit code, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest

from protos.edgeleak.v1 import agent_pb2, agent_pb2_grpc
from tests.end_to_end.conftest import Cli, command, files

SMALLEST = 'name = "tiny"\n'


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr; stdout stays empty."""
    assert done.stdout == ""
    lines = [
        line for line in done.stderr.strip().splitlines() if not line.startswith(("train ", "export ", "collect "))
    ]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("edgeleak: ")
    return lines[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SMALLEST + "epochs = 3\n", 'key "epochs": unknown key'),
        (SMALLEST + '[training]\nepochs = "many"\n', '[training], key "epochs": expected a whole number (got "many")'),
        (SMALLEST + '[data]\nname = "imagenet"\n', "data set 'imagenet' is not known"),
        (SMALLEST + "[data]\nmembers = 5000\n", "there are 1797 distinct ones"),
        (SMALLEST + '[compression]\nvariants = ["original", "squash-3"]\n', "variant 'squash-3' is not known"),
        (SMALLEST + '[model]\nname = "vgg"\n', "model.name: 'vgg' is not known"),
        (SMALLEST + '[mis]\nquantizers = ["int7"]\n', "int7"),
        (SMALLEST + '[attack]\nnames = ["sorcery"]\n', "sorcery"),
        (SMALLEST + '[device]\nurl = "usb"\n', "device 'usb' has no known form"),
        ("name = \n", "not valid TOML"),
    ],
)
def test_a_bad_configuration_is_refused_with_the_field_before_anything_begins(
    edgeleak: Cli, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "audit.toml").write_text(text)
    done = edgeleak("audit", "audit.toml", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert said in only_line(done)
    assert not (tmp_path / "runs").exists(), "nothing is begun on a bad configuration"


def test_a_missing_configuration_is_named(edgeleak: Cli, tmp_path: Path) -> None:
    done = edgeleak("audit", "nowhere.toml", cwd=tmp_path)
    assert done.returncode == 4
    assert "nowhere.toml: no such file" in only_line(done)


def test_missing_data_is_named(edgeleak: Cli, tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text(SMALLEST + '[data]\nname = "cifar10"\ndata_dir = "cifar"\n')
    done = edgeleak("audit", "audit.toml", cwd=tmp_path)
    assert done.returncode == 4
    assert "cifar" in only_line(done)


@pytest.mark.parametrize("args", [["audti"], ["audit", "--sped"], ["audit", "--seed", "x"]])
def test_wrong_usage_is_one_line_and_exit_4(edgeleak: Cli, args: list[str]) -> None:
    done = edgeleak(*args)
    assert done.returncode == 4
    only_line(done)


def test_a_stage_out_of_order_names_the_stage_before_it(edgeleak: Cli, tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text(SMALLEST)
    done = edgeleak("collect", "audit.toml", cwd=tmp_path)
    assert done.returncode == 4
    assert "run `edgeleak export` first" in only_line(done)


def test_init_does_not_overwrite(edgeleak: Cli, tmp_path: Path) -> None:
    assert edgeleak("init", cwd=tmp_path).returncode == 0
    done = edgeleak("init", cwd=tmp_path)
    assert done.returncode == 4
    assert "audit.toml: exists already" in only_line(done)


def test_an_absent_agent_is_named_with_the_command_that_starts_one(edgeleak: Cli, tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text(SMALLEST)
    done = edgeleak("audit", "audit.toml", "--device", "grpc://127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 3
    line = only_line(done)
    assert "grpc://127.0.0.1:1" in line
    assert "edgeleak-agent" in line


def test_an_agent_of_another_protocol_version_is_refused(edgeleak: Cli, tmp_path: Path) -> None:
    class Future(agent_pb2_grpc.AgentServiceServicer):
        def GetDeviceInfo(  # noqa: N802 - gRPC's name
            self, request: agent_pb2.GetDeviceInfoRequest, context: grpc.ServicerContext
        ) -> agent_pb2.GetDeviceInfoResponse:
            return agent_pb2.GetDeviceInfoResponse(protocol_version=99, agent_version="9.9.9")

    (tmp_path / "audit.toml").write_text(SMALLEST)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    agent_pb2_grpc.add_AgentServiceServicer_to_server(Future(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        done = edgeleak("audit", "audit.toml", "--device", f"grpc://127.0.0.1:{port}", cwd=tmp_path)
    finally:
        server.stop(None).wait()
    assert done.returncode == 3
    line = only_line(done)
    assert f"grpc://127.0.0.1:{port}" in line
    assert "99" in line


def replace_artifact(run: Path, change: Callable[[bytes], bytes], *, honest: bool) -> Path:
    """Alter the target's original .tflite; an honest alteration is written into its account too."""
    path = run / "artifacts" / "target" / "original.tflite"
    data = change(path.read_bytes())
    path.write_bytes(data)
    if honest:
        account = path.with_name(path.name + ".json")
        value = json.loads(account.read_text())
        value |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        account.write_text(json.dumps(value))
    return path


def flip(data: bytes) -> bytes:
    return data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda data: data[:-100], flip], ids=["truncated", "bit-flipped"])
def test_an_altered_artifact_is_found_and_export_mends_it(
    small: Path, copied: Path, edgeleak: Cli, change: Callable[[bytes], bytes]
) -> None:
    path = copied / "artifacts" / "target" / "original.tflite"
    whole = path.read_bytes()
    replace_artifact(copied, change, honest=False)
    done = edgeleak("collect", small, "--run", copied)
    assert done.returncode == 4
    line = only_line(done)
    assert str(path) in line
    assert "edgeleak export" in line
    assert not files(copied)
    assert edgeleak("export", small, "--run", copied).returncode == 0
    assert path.read_bytes() == whole, "the same weights give the same file"


@pytest.mark.slow
def test_an_artifact_of_another_runtime_is_refused(small: Path, copied: Path, edgeleak: Cli) -> None:
    program = (copied / "artifacts" / "target" / "original.pte").read_bytes()
    replace_artifact(copied, lambda _: program, honest=True)
    done = edgeleak("collect", small, "--run", copied)
    assert done.returncode == 4
    line = only_line(done)
    assert "original.tflite" in line
    assert "ExecuTorch" in line
    assert not files(copied)


@pytest.mark.slow
def test_a_malformed_artifact_is_refused(small: Path, copied: Path, edgeleak: Cli) -> None:
    replace_artifact(copied, lambda data: data[:8] + bytes(len(data) - 8), honest=True)
    done = edgeleak("collect", small, "--run", copied)
    assert done.returncode in (3, 4)
    assert "original" in only_line(done)
    assert not files(copied)


@pytest.mark.slow
def test_answers_that_are_nan_name_the_artifact_and_nothing_is_kept(small: Path, copied: Path, edgeleak: Cli) -> None:
    from safetensors.numpy import load_file

    bias = load_file(copied / "models" / "target" / "original.safetensors")["head.bias"].tobytes()
    nan = np.full(10, np.nan, dtype="<f4").tobytes()

    def poison(data: bytes) -> bytes:
        assert data.count(bias) == 1
        return data.replace(bias, nan)

    replace_artifact(copied, poison, honest=True)
    done = edgeleak("collect", small, "--run", copied)
    assert done.returncode == 3
    line = only_line(done)
    assert "target/original/litert" in line
    assert "local" in line
    assert not files(copied), "nothing of a poisoned stream is kept"


@pytest.mark.slow
def test_a_run_of_another_configuration_is_refused_with_the_difference(
    small: Path, copied: Path, edgeleak: Cli, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(small.read_text().replace("epochs = 12", "epochs = 13"))
    done = edgeleak("audit", other, "--run", copied)
    assert done.returncode == 4
    line = only_line(done)
    assert str(copied) in line
    assert "training.epochs: 12 there, 13 now" in line


@pytest.mark.slow
def test_a_run_is_not_shared_by_two_processes(small: Path, copied: Path, edgeleak: Cli) -> None:
    import fcntl

    with (copied / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = edgeleak("collect", small, "--run", copied)
    assert done.returncode == 4
    assert "another process is using this run" in only_line(done)


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_written(small: Path, tmp_path: Path) -> None:
    """A limit on file sizes stands in for a full disk: the same write fails in the same place."""
    folder = tmp_path / "run"
    limited = ["bash", "-c", 'ulimit -f 12; exec "$@"', "limited", *command("train", small, "--run", folder)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 3
    assert "the same command resumes" in only_line(done)
    assert not list(folder.rglob("*.safetensors")), "nothing is half-written"
    assert not (folder / "stages").exists()


@pytest.mark.parametrize(
    "call",
    [("audit", "audit.toml"), ("bench", "audit.toml"), ("doctor",), ("init", "new.toml"), ("agent", "start")],
    ids=lambda call: call[0],
)
def test_an_empty_device_as_of_an_unset_variable_is_no_device(
    edgeleak: Cli, small: Path, tmp_path: Path, call: tuple[str, ...]
) -> None:
    (tmp_path / "audit.toml").write_bytes(small.read_bytes())
    done = edgeleak(*call, "--device", "", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert "--device: the name is empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["audit.toml"]
