"""The bundle of this machine's architecture, as `make phone` made it: it runs, answers alike, and is what it says."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.bundle import Bundle
from harness.bundle._archive import write_archive
from harness.bundle._bytecode import native, run_compileall
from harness.bundle._contents import DEBIAN_LICENCES
from harness.bundle._elf import read_elf
from harness.devices import Device, Timeouts, open_device
from tests.bundle.cached import answer, cached, listening
from tests.bundle.traced import foreign_libraries, opened, strace
from tests.device_agent.exported import Exported, exported

__all__ = ["exported"]

START = Timeouts(connect=60.0)
NOBODY = 65534
MODELS = ["net.tflite", "net.pte", "net.onnx"]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return cached(native().name)


@pytest.fixture(scope="module")
def device(bundle: Bundle) -> Iterator[Device]:
    with listening([bundle.folder / "run"]) as target, open_device(f"grpc://{target}", timeouts=START) as opened:
        yield opened


@pytest.fixture(scope="module")
def local() -> Iterator[Device]:
    with open_device("local", timeouts=START) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_it_answers_as_the_local_agent_does(device: Device, local: Device, exported: Exported, name: str) -> None:
    ours, theirs = answer(local, exported, name), answer(device, exported, name)
    assert theirs.shape == (8, 10)
    # The shim's kernels are of a later version than the bindings' here.
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-6 if name.endswith(".pte") else 0)


@pytest.mark.slow
def test_it_has_every_runtime_but_torch_s_and_needs_no_torch(device: Device, bundle: Bundle) -> None:
    info = device.info()
    assert set(info.runtimes) == {"litert", "executorch", "onnx"}
    assert info.agent_version == bundle.manifest["version"]
    assert not (bundle.folder / "site" / "torch").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_agent_and_worker_open_no_library_of_this_machine(
    bundle: Bundle, exported: Exported, tmp_path: Path, name: str
) -> None:
    log, loader = tmp_path / "log", bundle.folder / "lib" / native().loader
    with (
        listening([*strace(log), bundle.folder / "run"]) as target,
        open_device(f"grpc://{target}", timeouts=START) as device,
    ):
        answer(device, exported, name)
    paths = opened(log, by=str(loader))
    within = {Path(path).name for path in paths if path.startswith(str(bundle.folder))}
    assert {"libc.so.6", "libstdc++.so.6"} <= within, "it was traced"
    assert foreign_libraries(paths, bundle.folder) == set()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_user_without_any_right_runs_it(bundle: Bundle, exported: Exported, tmp_path: Path) -> None:
    # The cache may lie in a folder of root's.
    place = Path("/var/tmp") / f"edgeleak-test-{os.getpid()}"  # noqa: S108
    place.mkdir(mode=0o755)
    try:
        with tarfile.open(bundle.archive) as archive:
            archive.extractall(place / "bundle", filter="data")
        with (
            listening([place / "bundle" / "run"], user=NOBODY, HOME="/nonexistent") as target,
            open_device(f"grpc://{target}", timeouts=START) as device,
        ):
            assert answer(device, exported, "net.tflite").shape == (8, 10)
    finally:
        shutil.rmtree(place)


def test_its_manifest_names_every_file_with_its_digest(bundle: Bundle) -> None:
    found = {
        str(path.relative_to(bundle.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in bundle.folder.rglob("*")
        if path.is_file()
    }
    del found["manifest.json"]
    assert found == {path: about["sha256"] for path, about in bundle.manifest["files"].items()}
    assert not any(path.is_symlink() for path in bundle.folder.rglob("*"))


def test_every_package_has_a_version_a_digest_and_a_licence(bundle: Bundle) -> None:
    packages = bundle.manifest["debian"]["packages"]
    assert {package["name"] for package in packages} == set(DEBIAN_LICENCES)
    for row in (*packages, *bundle.manifest["wheels"], bundle.manifest["agent"]):
        assert row["version"], row
        assert len(row["sha256"]) == 64, row
        assert not row["licence"].startswith("see"), row
    for package in packages:
        assert len((bundle.folder / package["licence_file"]).read_bytes()) > 500
    licences = [path for path in bundle.manifest["files"] if "LICENSE" in path.upper()]
    for wheel in bundle.manifest["wheels"]:
        assert any(wheel["name"].replace("-", "_") in path for path in licences), wheel["name"]


@pytest.mark.slow
def test_its_archive_holds_its_folder_and_packing_it_again_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    write_archive(bundle.folder, tmp_path / "again.tar.gz")
    assert hashlib.sha256((tmp_path / "again.tar.gz").read_bytes()).hexdigest() == bundle.digest


@pytest.mark.slow
def test_compiling_it_again_gives_the_same_bytecode(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "another place"
    shutil.copytree(bundle.folder, copy, ignore=shutil.ignore_patterns("*.pyc"))
    run_compileall(bundle.folder, native(), copy)
    compiled = {str(path.relative_to(copy)): path.read_bytes() for path in copy.rglob("*.pyc")}
    assert len(compiled) > 500
    assert {path: hashlib.sha256(content).hexdigest() for path, content in compiled.items()} == {
        path: about["sha256"] for path, about in bundle.manifest["files"].items() if path.endswith(".pyc")
    }


def test_all_its_code_is_for_its_architecture_and_nothing_of_gpus_is_in_it(bundle: Bundle) -> None:
    code = {}
    for path in bundle.manifest["files"]:
        elf = read_elf((bundle.folder / path).read_bytes())
        if elf is not None:
            code[path] = elf
    assert {elf.machine for elf in code.values()} == {native().elf}
    assert not any(word in path for path in code for word in ("Gpu", "Qualcomm", "OpenVINO", "cuda"))
    names = {Path(path).name for path in code}
    for path, elf in code.items():
        assert set(elf.needed) <= names, path
