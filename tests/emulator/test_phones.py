"""Emulated phones that run: started, found, steered and ended, and what they are like inside."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import emulator
from harness.cache import cache_dir
from harness.emulator import Emulator, _cpio, _phones
from harness.errors import DeviceUnavailableError, UsageError
from harness.remote.adb import connected
from harness.remote.adb_errors import AdbError
from tests.emulator.phone import BATTERY, PROPERTIES, own_cache, skip_unless_made

pytestmark = pytest.mark.slow

# A program in an emulated phone starts within a second; beyond this it hangs.
SECONDS = 30.0


def said(phone: Emulator, script: str) -> str:
    done = phone.adb().run(script, seconds=SECONDS)
    assert done.status == 0, done.said
    return done.out.strip()


def states() -> dict[str, str]:
    return {device.serial: device.state for device in connected()}


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "emulator", *arguments], capture_output=True, text=True, check=False
    )


def test_it_is_an_arm64_machine_whose_shell_is_no_root(phone: Emulator) -> None:
    assert said(phone, "uname -m") == "aarch64"
    assert said(phone, "id -u") == "2000"
    assert said(phone, "touch /forbidden 2>/dev/null || echo refused") == "refused"
    assert said(phone, "cd /data/local/tmp && echo it >file && cat file && rm file") == "it"


def test_it_says_that_it_is_emulated(phone: Emulator) -> None:
    assert "dummy-virt" in said(phone, "cat /sys/firmware/devicetree/base/compatible")


def test_it_reaches_nothing_but_this_computers_adb(phone: Emulator) -> None:
    for host, port in (("10.0.2.2", phone.port), ("10.0.2.3", 53), ("192.0.2.1", 80)):
        assert said(phone, f"nc -w 2 {host} {port} </dev/null && echo reached; echo end") == "end"
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{phone.port}"], capture_output=True, text=True, check=True)
    assert [line.split()[3] for line in listening.stdout.splitlines()] == [f"127.0.0.1:{phone.port}"]


def test_the_stand_ins_of_tests_are_there_and_the_product_has_none(phone: Emulator) -> None:
    model = PROPERTIES["ro.product.model"]
    assert said(phone, "getprop ro.product.model") == model
    assert f"[ro.product.model]: [{model}]" in said(phone, "getprop").splitlines()
    assert f"level: {BATTERY['level']}" in said(phone, "dumpsys battery")
    image = emulator.cached()
    assert image is not None
    assert b"getprop" not in image.initramfs.read_bytes()


def test_an_orphan_that_ends_is_gone(phone: Emulator) -> None:
    pid = said(phone, "setsid sleep 100 </dev/null >/dev/null 2>&1 & echo $!")
    assert said(phone, f"cat /proc/{pid}/comm") == "sleep"
    assert said(phone, f"kill -9 {pid}; sleep 1; [ -d /proc/{pid} ] || echo gone") == "gone"


def test_adbd_that_ends_is_started_again(phone: Emulator) -> None:
    before = said(phone, "pidof adbd")
    with pytest.raises(AdbError):
        phone.adb().run("kill -9 $(pidof adbd); sleep 5", seconds=SECONDS)
    until = time.monotonic() + SECONDS
    after = ""
    while time.monotonic() < until and after in ("", before):
        try:
            phone.adb().require()
            after = said(phone, "pidof adbd")
        except AdbError:
            time.sleep(0.2)
    assert after not in ("", before)


def test_it_can_be_paused_and_cut_off_and_goes_on(phone: Emulator) -> None:
    with phone.monitor() as monitor:
        for fault, undo in (
            (monitor.pause, monitor.resume),
            (lambda: monitor.set_link(up=False), lambda: monitor.set_link(up=True)),
        ):
            fault()
            try:
                with pytest.raises(AdbError):
                    phone.adb().run("echo here", seconds=2.0)
            finally:
                undo()
            assert monitor.running()
            assert said(phone, "echo here") == "here"


def test_two_run_side_by_side_and_each_ends_alone(phone: Emulator) -> None:
    second = emulator.start()
    try:
        assert second.port != phone.port
        assert [one.port for one in emulator.running()] == sorted([phone.port, second.port])
        assert said(second, "command -v getprop || echo none") == "none"
        assert said(phone, "echo here") == "here"
    finally:
        emulator.stop(second)
    assert emulator.running() == [phone]
    assert not second.alive
    assert not second.folder.exists()
    assert second.serial not in states()
    assert states()[phone.serial] == "device"
    emulator.stop(second)


def test_a_running_one_is_found_and_a_port_is_taken_once(phone: Emulator) -> None:
    assert emulator.phone() == phone
    with pytest.raises(UsageError, match=f"port {phone.port}: an emulated phone runs there"):
        emulator.start(phone.port)
    with pytest.raises(UsageError, match="adb looks for emulators of Android"):
        emulator.start(5555)


def test_one_that_was_killed_is_not_listed_and_its_number_is_nobodys(phone: Emulator) -> None:
    doomed = emulator.start()
    os.kill(doomed.pid, signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while doomed.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    assert emulator.running() == [phone]
    # Its number now belongs to somebody else.
    with subprocess.Popen(["sleep", "100"]) as other:
        try:
            state = json.loads((doomed.folder / "phone.json").read_text())
            (doomed.folder / "phone.json").write_text(json.dumps({**state, "pid": other.pid}))
            found = _phones.read(doomed.folder)
            assert found is not None
            assert not found.alive
            emulator.stop(found)
            assert other.poll() is None
        finally:
            other.kill()
    assert not doomed.folder.exists()


def test_the_command_starts_one_that_outlives_it_and_ends_it(phone: Emulator) -> None:
    begun = cli("start", "--json")
    assert begun.returncode == 0, begun.stderr
    about = json.loads(begun.stdout)
    assert about["device"] == f"adb:127.0.0.1:{about['port']}"
    assert "adb is connected" in begun.stderr
    try:
        listed = json.loads(cli("status", "--json").stdout)
        assert [row["port"] for row in listed["phones"]] == [phone.port, about["port"]]
    finally:
        ended = cli("stop", "--port", str(about["port"]))
    assert ended.stdout == f"ended: {about['serial']}\n"
    again = cli("stop", "--port", str(about["port"]))
    assert again.returncode == 4
    assert "no emulated phone runs at port" in again.stderr


def test_a_phone_that_does_not_boot_shows_the_end_of_its_console(tmp_path: Path) -> None:
    skip_unless_made()
    image = emulator.cached()
    assert image is not None
    stream = io.BytesIO()
    _cpio.write(stream, {"etc": _cpio.directory()})
    broken = tmp_path / "cache/emulator/images" / image.folder.name
    broken.mkdir(parents=True)
    (broken / "vmlinuz").symlink_to(image.kernel)
    (broken / "initramfs.cpio").write_bytes(stream.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGELEAK_CACHE_DIR", str(tmp_path / "cache"))
        with pytest.raises(DeviceUnavailableError, match=r"ended before adbd ran; its console says: .*Kernel panic"):
            emulator.start()
        assert emulator.running() == []
        assert not list((tmp_path / "cache/emulator/phones").glob("[0-9]*"))


def test_a_boot_that_takes_too_long_ends_and_leaves_nothing(tmp_path: Path) -> None:
    skip_unless_made()
    with own_cache(tmp_path / "cache"):
        with pytest.raises(DeviceUnavailableError, match=r"did not boot within 0\.1 s"):
            emulator.start(seconds=0.1)
        assert emulator.running() == []


def test_a_cache_deep_in_folders_is_no_obstacle(tmp_path: Path) -> None:
    skip_unless_made()
    with own_cache(tmp_path / ("deep" * 30) / "cache"):
        phone = emulator.start()
        try:
            assert len(str(phone.folder)) > 107
            with phone.monitor() as monitor:
                assert monitor.running()
        finally:
            emulator.stop(phone)
    assert cache_dir() not in phone.folder.parents
