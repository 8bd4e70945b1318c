"""A board over ssh, on a server of the tests' own: commands, files, errors, and the agent's whole life."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.devices import Timeouts
from harness.devices.client import AgentClient
from harness.devices.transports import machine
from harness.devices.transports.ssh import open_board
from harness.errors import DeviceError, UsageError
from harness.remote import install
from harness.remote.ssh import Ssh
from harness.remote.ssh_errors import (
    SSH_TROUBLES,
    SshBrokenError,
    SshDeniedError,
    SshError,
    SshHostKeyError,
    SshUnreachableError,
    classify_ssh,
)
from tests.remote.bundles import made_up
from tests.remote.conftest import Server


def reached(board: Server) -> Ssh:
    shell = machine(f"ssh:{board.address}")
    assert isinstance(shell, Ssh)
    return shell


def test_a_script_has_its_status_and_both_its_outputs(board: Server) -> None:
    with reached(board) as shell:
        done = shell.run("echo out; echo 'it'\\''s err' >&2; exit 7", seconds=20)
        assert (done.status, done.out, done.err.splitlines()[-1]) == (7, "out\n", "it's err")
        assert shell.run("cat", seconds=20).out == ""
        assert shell.home == f"{board.home.resolve()}/.edgeleak"


def test_a_file_arrives_as_it_is(board: Server, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "file").write_bytes(content)
    with reached(board) as shell:
        shell.push(tmp_path / "file", f"{board.home}/a copy", seconds=30)
    assert (board.home / "a copy").read_bytes() == content


def test_leaving_ends_the_login_and_removes_its_folder(board: Server) -> None:
    shell = reached(board)
    shell.run("true", seconds=20)
    assert shell._folder is not None
    assert shell._login is not None
    folder, login = shell._folder.path, shell._login
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    shell.close()
    assert login.poll() is not None
    assert not folder.exists()


def test_a_login_that_was_cut_is_made_again_where_a_script_may_be_repeated(board: Server) -> None:
    with reached(board) as shell:
        shell.run("true", seconds=20)
        assert shell._login is not None
        shell._login.kill()
        shell._login.wait()
        assert shell.run("echo back", seconds=20, again=True).out == "back\n"


def test_an_unknown_key_of_the_host_is_refused_with_what_to_do(board: Server) -> None:
    (board.folder / "known").write_text("")
    with reached(board) as shell, pytest.raises(SshHostKeyError, match="connect once by hand"):
        shell.run("true", seconds=20)


def test_another_key_of_the_host_is_refused(board: Server) -> None:
    port = board.address.rpartition(":")[2]
    other = (board.folder / "user.pub").read_text()
    (board.folder / "known").write_text(f"[127.0.0.1]:{port} {other}")
    with reached(board) as shell, pytest.raises(SshHostKeyError, match="another key than before"):
        shell.run("true", seconds=20)


def test_a_user_without_a_key_is_told_to_copy_one(board: Server) -> None:
    (board.folder / "authorized").write_text("")
    with reached(board) as shell, pytest.raises(SshDeniedError, match="ssh-copy-id"):
        shell.run("true", seconds=20)


def test_a_board_where_nobody_listens_is_unreachable(board: Server) -> None:
    shell = machine("ssh:127.0.0.1:1")
    with shell, pytest.raises(SshUnreachableError, match="start sshd"):
        shell.run("true", seconds=20)


@pytest.mark.parametrize("url", ["ssh:", "ssh:-oProxyCommand=x", "ssh:a@-b", "ssh:host:99999", "ssh:ho st", "ssh:a/b"])
def test_an_address_that_ssh_could_take_for_something_else_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="names no host"):
        machine(url)


def test_the_agent_is_installed_started_found_again_stopped_and_removed(board: Server, tmp_path: Path) -> None:
    bundle = made_up(tmp_path)
    told: list[str] = []
    with reached(board) as shell:
        home = Path(shell.home)
        before = install.status(shell)
        assert (before.machine, before.installed, before.running) == (os.uname().machine, {}, False)
        started = install.start(shell, bundle_of=lambda _: bundle, progress=told.append)
        assert started.running
        assert started.bundle == bundle.digest[:16]
        assert [line.partition(" ")[0] for line in told] == ["sending", "unpacking", "starting"]
        assert stat.S_IMODE((home / "agent.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert not list((home / "upload").iterdir())
    with reached(board) as shell:
        told.clear()
        found = install.ensure(shell, bundle_of=lambda _: pytest.fail("it runs"), progress=told.append)
        assert (found.pid, told) == (started.pid, [])
        assert install.logs(shell)[-1].startswith("listening on unix:")
        (home / "notes").write_text("of the user's")
        assert install.stop(shell)
        assert not install.stop(shell)
        assert install.status(shell).pid is None
        # The device holds the bundle: nothing is sent.
        install.start(shell, bundle_of=lambda _: bundle, progress=told.append)
        assert [line.partition(" ")[0] for line in told] == ["starting"]
        assert install.purge(shell) == ("notes",)
        assert [path.name for path in home.iterdir()] == ["notes"]
        (home / "notes").unlink()
        assert install.purge(shell) == ()
        assert not home.exists()


def test_another_bundle_replaces_the_one_that_runs_and_an_unused_one_goes(board: Server, tmp_path: Path) -> None:
    old, new, newest = (made_up(tmp_path, comment=name) for name in ("old", "new", "newest"))
    with reached(board) as shell:
        install.start(shell, bundle_of=lambda _: old)
        name, _ = install.install(shell, bundle_of=lambda _: new)
        both = install.status(shell)
        assert set(both.installed) == {old.digest[:16], name}
        assert both.bundle == old.digest[:16]
        assert install.start(shell, bundle_of=lambda _: new).bundle == name
        install.install(shell, bundle_of=lambda _: newest)
        assert set(install.status(shell).installed) == {name, newest.digest[:16]}
        install.purge(shell)


def test_an_agent_that_does_not_start_says_why(board: Server, tmp_path: Path) -> None:
    bundle = made_up(tmp_path, program="echo no library; exit 3")
    with reached(board) as shell:
        with pytest.raises(DeviceError, match="no library"):
            install.start(shell, bundle_of=lambda _: bundle)
        assert not install.status(shell).running


def test_a_copy_that_is_damaged_is_sent_once_more_and_then_refused(
    board: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = made_up(tmp_path)
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"damaged")
    sent: list[Path] = []
    push = Ssh.push

    def damaged(self: Ssh, file: Path, to: str, *, seconds: float) -> None:
        sent.append(file)
        push(self, wrong, to, seconds=seconds)

    monkeypatch.setattr(Ssh, "push", damaged)
    with reached(board) as shell:
        with pytest.raises(DeviceError, match="the copy is damaged"):
            install.install(shell, bundle_of=lambda _: bundle)
        assert len(sent) == 2
        assert install.status(shell).installed == {}


def test_a_machine_without_room_is_told_how_much_is_needed(
    board: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = made_up(tmp_path)
    monkeypatch.setattr(install, "_SPARE_BYTES", 1 << 60)
    with reached(board) as shell, pytest.raises(DeviceError, match=r"needs \d+ MB for its installation"):
        install.install(shell, bundle_of=lambda _: bundle)


def test_a_stream_goes_on_over_a_login_that_was_cut(board: Server, tmp_path: Path) -> None:
    bundle = made_up(tmp_path)
    shell = reached(board)
    timeouts = Timeouts(connect=60.0, reconnect=60.0)
    connection = open_board(shell, timeouts=timeouts, bundle_of=lambda _: bundle)
    with AgentClient(shell.device, connection, timeouts=timeouts) as device:
        first = device.info()
        assert shell._login is not None
        shell._login.kill()
        assert device.info().pid == first.pid
        # An agent that was killed is started again.
        os.kill(first.pid, signal.SIGKILL)
        assert device.info().pid != first.pid
    with reached(board) as shell:
        assert install.status(shell).running
        install.purge(shell)


def test_a_server_that_forwards_no_sockets_is_named(board: Server, tmp_path: Path) -> None:
    keys = board.folder / "authorized"
    keys.write_text(f"no-port-forwarding {keys.read_text()}")
    bundle = made_up(tmp_path)
    shell = reached(board)
    timeouts = Timeouts(connect=3.0)
    connection = open_board(shell, timeouts=timeouts, bundle_of=lambda _: bundle)
    with pytest.raises(DeviceError, match="AllowStreamLocalForwarding yes"):
        AgentClient(shell.device, connection, timeouts=timeouts)
    with reached(board) as shell:
        install.purge(shell)


def test_the_login_ends_with_the_process_that_made_it(board: Server) -> None:
    code = (
        "from harness.devices.transports import machine; import os, signal\n"
        f"shell = machine('ssh:{board.address}'); shell.run('true', seconds=20)\n"
        "print(shell._login.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    pid = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail("the login outlives its process")


def test_a_broken_connection_is_an_error_where_a_script_may_not_be_repeated(board: Server) -> None:
    with reached(board) as shell:
        shell.run("true", seconds=20)
        assert shell._login is not None
        cut = threading.Timer(1.0, shell._login.kill)
        cut.start()
        with pytest.raises(SshBrokenError):
            shell.run("sleep 30", seconds=60)
        cut.join()


def test_every_text_of_ssh_is_known_by_its_own_row() -> None:
    for trouble in SSH_TROUBLES:
        error = classify_ssh(trouble.text, device="ssh:pi")
        assert type(error) is trouble.error, trouble.text
        assert trouble.means in error.message
        assert error.hint == trouble.hint


def test_a_text_of_ssh_that_nobody_knows_is_shown_as_plain_text() -> None:
    error = classify_ssh("some \x1b[31mnew\x1b[0m text\n", device="ssh:pi")
    assert type(error) is SshError
    assert "some \\x1b[31mnew\\x1b[0m text" in error.message


def test_the_page_has_the_table_of_the_code() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "boards.md"
    rows = [f"| `{row.text}` | {row.means} | {row.hint} |" for row in SSH_TROUBLES]
    assert [line for line in page.read_text().splitlines() if line in rows] == rows
