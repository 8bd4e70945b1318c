"""One board over the user's own ssh: one login, under which commands, files and a forwarded socket travel."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from harness.errors import DependencyError
from harness.remote.shell import Completed
from harness.remote.ssh_errors import SshBrokenError, SshError, SshTimeoutError, classify_ssh
from protos.private import LOCAL, PrivateFolder

__all__ = ["Ssh"]

_FOLDER = ".edgeleak"
_CONNECT_SECONDS = 10
# The login itself, beyond the connection: keys, the shell's start on a slow board.
_LOGIN_SECONDS = 30.0
_FORWARD_SECONDS = 10.0
_SLICE_SECONDS = 0.2
_READY = "edgeleak-ready"
_BEGIN, _MARK = "edgeleak-begin", "edgeleak-status:"
_RAN = re.compile(rf"{_BEGIN}\n(?P<out>.*){_MARK}(?P<status>\d+)\s*\Z", re.DOTALL)
# A shell that greets with more than this does not become ready.
_GREETING_BYTES_MAX = 64 * 1024
_OPTIONS = (
    # Nobody is there to type: a question is an error.
    "BatchMode=yes",
    f"ConnectTimeout={_CONNECT_SECONDS}",
    # A dead link is noticed within fifteen seconds.
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    # What the user's configuration has for a person at a terminal.
    "RequestTTY=no",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ForwardAgent=no",
    "ForwardX11=no",
)


class Ssh:
    """One board; see `Shell`. Its login ends with this object, and with this process however that dies.

    Args:
        host: as ssh takes it, a name of ``~/.ssh/config`` included.
        user: None leaves it to ssh.
        port: None leaves it to ssh.
        device: the board as the user named it, for errors.

    Raises:
        DependencyError: ssh is not installed.
    """

    def __init__(self, host: str, *, user: str | None = None, port: int | None = None, device: str) -> None:
        binary = shutil.which("ssh")
        if binary is None:
            raise DependencyError("ssh is not installed", hint="Debian and Ubuntu: apt-get install openssh-client")
        self.device = device
        self._binary = binary
        self._port = [] if port is None else ["-p", str(port)]
        self._destination = host if user is None else f"{user}@{host}"
        self._home: str | None = None
        self._folder: PrivateFolder | None = None
        self._login: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._forwarded = False

    @property
    def home(self) -> str:
        """``~/.edgeleak`` of the user there.

        Raises:
            SshError: the board cannot be asked.
        """
        if self._home is None:
            done = self.run("cd && pwd -P", seconds=_LOGIN_SECONDS, again=True)
            folder = done.out.strip()
            if done.status != 0 or not folder.startswith("/") or "\n" in folder:
                raise SshError(f"the user has no home folder there: {done.said}", device=self.device)
            self._home = f"{folder.rstrip('/')}/{_FOLDER}"
        return self._home

    def run(self, script: str, *, seconds: float, again: bool = False) -> Completed:
        """Run a script; see `Shell.run`."""
        # As input of a shell that is known: the user's own may be any.
        text = f"echo {_BEGIN}\n(\n{script}\n) </dev/null\necho {_MARK}$?\n"
        try:
            return self._ran(text, seconds)
        except SshBrokenError:
            if not again:
                raise
            self._logout()
        return self._ran(text, seconds)

    def push(self, file: Path, to: str, *, seconds: float) -> None:
        """Copy a file of this computer there; see `Shell.push`."""
        self._require_login()
        try:
            with file.open("rb") as stream:
                done = subprocess.run(
                    self._command(f"cat >{shlex.quote(to)}"),
                    stdin=stream,
                    capture_output=True,
                    timeout=seconds,
                    check=False,
                )
        except subprocess.TimeoutExpired as error:
            raise self._late("the copy of a file", seconds) from error
        if done.returncode != 0:
            raise classify_ssh(done.stderr.decode(errors="replace"), device=self.device)

    def forward(self, socket: str) -> Path:
        """Let a Unix socket of this computer, which only this user can reach, lead to one of the board; its path.

        Args:
            socket: its path there.

        Raises:
            SshError: ssh does not forward it.
        """
        folder = self._require_login()
        local = folder / "agent.sock"
        local.unlink(missing_ok=True)
        command = self._command(options=["-O", "forward", "-L", f"{local}:{socket}"])
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_FORWARD_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise self._late("the forwarding of a socket", _FORWARD_SECONDS) from error
        # Not by its status: forwardings of the user's own configuration may have failed beside ours.
        if not local.is_socket():
            raise classify_ssh(done.stderr.decode(errors="replace"), device=self.device)
        self._forwarded = True
        return local

    def forwarding(self) -> bool:
        """Whether the login that forwards the socket still stands."""
        return self._forwarded and self._connected()

    def said(self) -> str:
        """What ssh has said since the login; empty where nothing."""
        if self._folder is None:
            return ""
        with contextlib.suppress(OSError):
            return (self._folder.path / "log").read_text(errors="replace")[-4096:]
        return ""

    def close(self) -> None:
        """Log out; what runs there goes on."""
        self._logout()
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ran(self, text: str, seconds: float) -> Completed:
        self._require_login()
        try:
            done = subprocess.run(
                self._command("sh"), input=text.encode(), capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise self._late("a command", seconds) from error
        err = done.stderr.decode(errors="replace")
        ran = _RAN.search(done.stdout.decode(errors="replace"))
        if ran is None:
            raise classify_ssh(f"{err or 'Connection closed'}", device=self.device)
        return Completed(int(ran["status"]), ran["out"], err)

    def _require_login(self) -> Path:
        """Log in where that is not so already; the private folder with the control socket.

        Raises:
            SshError: the host does not let this user in.
        """
        if self._folder is None:
            self._folder = PrivateFolder(LOCAL)
        if self._connected():
            return self._folder.path
        self._logout()
        # Of a login that was killed.
        (self._folder.path / "ctl").unlink(missing_ok=True)
        self._log = (self._folder.path / "log").open("wb")
        # It ends when its input does, so with this process however that dies; the login ends with it.
        self._login = subprocess.Popen(
            self._command(f"echo {_READY}; exec cat >/dev/null", options=["-o", "ControlMaster=yes"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Ctrl-C is for the host, which then logs out in order.
            start_new_session=True,
        )
        try:
            self._await_ready(self._login)
        except BaseException:
            self._logout()
            raise
        return self._folder.path

    def _await_ready(self, login: subprocess.Popen[bytes]) -> None:
        assert login.stdout is not None, "started with a pipe"  # noqa: S101
        until = time.monotonic() + _LOGIN_SECONDS
        heard = b""
        while _READY.encode() not in heard:
            ready, _, _ = select.select([login.stdout], [], [], _SLICE_SECONDS)
            piece = os.read(login.stdout.fileno(), 4096) if ready else b""
            heard += piece
            if ready and not piece:
                login.wait(_FORWARD_SECONDS)
                raise classify_ssh(self.said(), device=self.device)
            if time.monotonic() > until or len(heard) > _GREETING_BYTES_MAX:
                raise self._late("the login", _LOGIN_SECONDS)

    def _connected(self) -> bool:
        return self._login is not None and self._login.poll() is None

    def _logout(self) -> None:
        self._forwarded = False
        login, self._login = self._login, None
        if login is not None:
            for stream in (login.stdin, login.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
            login.terminate()
            try:
                login.wait(_FORWARD_SECONDS)
            except subprocess.TimeoutExpired:
                login.kill()
                login.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _command(self, remote: str | None = None, *, options: Sequence[str] = ()) -> list[str]:
        assert self._folder is not None, "after the login began"  # noqa: S101
        settings = [word for option in _OPTIONS for word in ("-o", option)]
        control = ["-o", f"ControlPath={self._folder.path / 'ctl'}", "-o", "ControlPersist=no"]
        # After --, so that no name of a host is taken for an option.
        tail = [] if remote is None else [remote]
        return [self._binary, *options, *settings, *control, *self._port, "--", self._destination, *tail]

    def _late(self, doing: str, seconds: float) -> SshTimeoutError:
        return SshTimeoutError(
            f"{doing} did not end within {seconds:g} s", device=self.device, hint="check the board and the network"
        )
