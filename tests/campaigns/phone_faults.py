"""A seeded campaign of faults over adb: ``python -m tests.campaigns.phone_faults --seed N --count 30``.

Every fault strikes an emulated phone, or the command that uses it, at a random moment of ``edgeleak collect``. What the
command then has is held against an undisturbed run on the same phone, byte for byte: it ended well, with the same
answers; or it ended with status 3 and an error that names the device, and the same command, given again, then has them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from harness import emulator
from harness.emulator import Emulator
from harness.remote.adb import HOME
from harness.remote.adb_errors import AdbError
from tests.campaigns.faults import load_models
from tests.device_agent.exported import Exported
from tests.emulator.phone import booted
from tests.end_to_end.conftest import command, files

__all__ = ["KINDS", "Outcome", "PhoneCampaign", "main", "table"]

# No command may take longer, whatever strikes it: the time-outs below, and an agent that is started anew.
BOUND_SECONDS = 180.0
_MODELS = ("net.tflite", "net.pte", "net.onnx")
# Enough batches that most of an undisturbed command is the stream, whose answers are kept one by one.
_RECORDS = 1200
_PACE = "connect = 60\nupload = 20\nidle = 15\nreconnect = 20\n"
_SCRIPT_SECONDS = 60.0
# Of the faults that strike before the first answer has been kept.
_SHARE_BEFORE = 0.25
# Left free by a storage that is full: less than a model.
_FREE_KIB = 4
_ENDS = ("healed", "surfaced, resumed", "resumed", "too late", "wrong")


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Args:
        strike: does it.
        heal: undoes it once the command has ended; by default there is nothing to undo.
        brief: seconds after which it is undone while the command runs, between these bounds; None leaves it.
        from_the_start: it is there before the command begins.
    """

    strike: Callable[[PhoneCampaign], object]
    heal: Callable[[PhoneCampaign], object] = lambda _: None
    brief: tuple[float, float] | None = None
    from_the_start: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one fault led to.

    Args:
        kind: of the fault.
        phase: of the command when it struck: ``before the stream``, ``stream``, or ``over``.
        end: one of `_ENDS`.
        seconds: from the fault to the command's end.
        message: of the error, or what is wrong.
    """

    kind: str
    phase: str
    end: str
    seconds: float
    message: str = ""


@dataclass
class PhoneCampaign:
    """A phone, and what it answers undisturbed.

    Args:
        exported: the models.
        folder: scratch space.
        seed: of everything random but the machine's own timing.
    """

    exported: Exported
    folder: Path
    seed: int
    say: Callable[[str], object] = lambda _: None
    phone: Emulator = field(init=False)
    running: subprocess.Popen[str] | None = field(init=False, default=None)

    def __enter__(self) -> PhoneCampaign:
        with contextlib.ExitStack() as undo:
            self.phone = undo.enter_context(booted(self.folder / "cache"))
            self._toml = self._written()
            began = time.monotonic()
            self._expect_well("installed")
            self.say(f"the agent is installed and has answered once after {time.monotonic() - began:.1f} s")
            began = time.monotonic()
            self._expected = self._expect_well("undisturbed")
            took = time.monotonic() - began
            self.say(
                f"an undisturbed command takes {took:.1f} s and collects {len(self._expected)} files, "
                f"the first after {self._first:.1f} s"
            )
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        # A phone that was ended and started again is another one.
        emulator.stop(self.phone)
        self._undo.close()

    @property
    def device(self) -> str:
        """The phone as the command names it."""
        return f"adb:{self.phone.serial}"

    def renew(self) -> None:
        """Let one file be another for the phone, which may hold it already: what follows a model does nothing."""
        with (self.folder / _MODELS[0]).open("ab") as file:
            file.write(os.urandom(1024 * _FREE_KIB))

    def script(self, text: str) -> str:
        """Run a script on the phone."""
        done = self.phone.adb().run(text, seconds=_SCRIPT_SECONDS, again=True)
        return done.out.strip()

    def strikes(self, count: int, kinds: Sequence[str]) -> Iterator[Outcome]:
        """So many faults, of these kinds in turn."""
        for index in range(count):
            yield self._strike(kinds[index % len(kinds)], random.Random(f"{self.seed}/{index}"), index)

    def _strike(self, name: str, rng: random.Random, index: int) -> Outcome:
        kind, run = KINDS[name], self.folder / f"run-{index}"
        if kind.from_the_start:
            kind.strike(self)
        self.running = self._begun(run)
        if not kind.from_the_start:
            self._await_moment(run, rng)
        phase = "over" if self.running.poll() is not None else "stream" if files_of(run) else "before the stream"
        struck = time.monotonic()
        try:
            if not kind.from_the_start:
                kind.strike(self)
            if kind.brief is not None:
                time.sleep(rng.uniform(*kind.brief))
                kind.heal(self)
            _, said = self.running.communicate(timeout=BOUND_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            said = f"it did not end within {BOUND_SECONDS:g} s"
        seconds = time.monotonic() - struck
        kind.heal(self)
        outcome = self._judged(name, phase, run, said, seconds)
        shutil.rmtree(run, ignore_errors=True)
        return outcome

    def _await_moment(self, run: Path, rng: random.Random) -> None:
        """Wait until the fault is due: before the stream, or once a random number of files has been collected."""
        assert self.running is not None
        if rng.random() < _SHARE_BEFORE:
            time.sleep(rng.uniform(0.1, 0.9) * self._first)
            return
        # Not at the very end, where nothing is left to be disturbed.
        wanted = rng.randrange(1, len(self._expected) * 3 // 4)
        until = time.monotonic() + BOUND_SECONDS
        while len(files_of(run)) < wanted and self.running.poll() is None and time.monotonic() < until:
            time.sleep(0.01)

    def _judged(self, name: str, phase: str, run: Path, said: str, seconds: float) -> Outcome:
        assert self.running is not None
        code, last = self.running.returncode, (said.strip().splitlines() or [""])[-1]
        outcome = Outcome(name, phase, "wrong", seconds, last)
        kept = files_of(run)
        if any(self._expected.get(place) != content for place, content in kept.items()):
            return replace(outcome, message=f"answers were kept that are not those of an undisturbed run; {last}")
        if code == 0:
            if kept != self._expected:
                return replace(outcome, message=f"{len(kept)} of {len(self._expected)} files were collected")
            return replace(outcome, end="too late" if phase == "over" else "healed", message="")
        if code == 3 and "interrupted" not in last and self.device not in last:
            return replace(outcome, message=f"the error does not name the device: {last}")
        if code not in (3, -signal.SIGKILL):
            return replace(outcome, message=f"exit status {code}: {last}")
        again = self._begun(run)
        try:
            _, said = again.communicate(timeout=BOUND_SECONDS)
        except subprocess.TimeoutExpired:
            again.kill()
            again.communicate()
        if again.returncode != 0 or files_of(run) != self._expected:
            return replace(
                outcome, message=f"given again it ends with {again.returncode}: {said[-300:]}; before: {last}"
            )
        return replace(outcome, end="surfaced, resumed" if code == 3 else "resumed")

    def _expect_well(self, name: str) -> dict[str, bytes]:
        run = self.folder / name
        began, begun = time.monotonic(), self._begun(run)
        while not files_of(run) and begun.poll() is None:
            time.sleep(0.01)
        self._first = time.monotonic() - began
        _, said = begun.communicate(timeout=2 * BOUND_SECONDS)
        if begun.returncode != 0:
            raise AssertionError(f"undisturbed, the command ends with {begun.returncode}: {said}")
        return files_of(run)

    def _begun(self, run: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command("collect", self._toml, "--run", run, "--device", self.device),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _written(self) -> Path:
        """The audit of the supplied models; the records are random, and half of them are called members."""
        rng = np.random.default_rng(self.seed)
        size = (_RECORDS // 2, *self.exported.images.shape[1:])
        for side in ("members", "nonmembers"):
            inputs = rng.random(size, dtype=np.float32)
            np.savez(self.folder / f"{side}.npz", inputs=inputs, labels=rng.integers(0, 10, len(inputs)))
        text = 'name = "faults"\n\n[records]\nmembers = "members.npz"\nnonmembers = "nonmembers.npz"\n'
        for name in _MODELS:
            variant = "original" if name == _MODELS[0] else Path(name).suffix.strip(".")
            shutil.copyfile(self.exported.path(name), self.folder / name)
            text += f'\n[[artifact]]\nvariant = "{variant}"\nfile = "{name}"\n'
        path = self.folder / "audit.toml"
        path.write_text(f"{text}\n[collect]\nbatch_size = 4\n\n[device.timeouts]\n{_PACE}")
        return path

    def _kill(self) -> None:
        assert self.running is not None
        os.killpg(self.running.pid, signal.SIGKILL)
        self.running.communicate()


def files_of(run: Path) -> dict[str, bytes]:
    """The bytes of every collected chunk."""
    return files(run) if run.exists() else {}


def _link(campaign: PhoneCampaign, *, up: bool) -> None:
    with campaign.phone.monitor() as monitor:
        monitor.set_link(up=up)


def _machine(campaign: PhoneCampaign, *, goes: bool) -> None:
    with campaign.phone.monitor() as monitor:
        (monitor.resume if goes else monitor.pause)()


def _end_adbd(campaign: PhoneCampaign) -> None:
    # It takes the answer along.
    with contextlib.suppress(AdbError):
        campaign.phone.adb().run("kill -9 $(pidof adbd); sleep 5", seconds=_SCRIPT_SECONDS)


def _end_agent(campaign: PhoneCampaign) -> None:
    campaign.script(f"kill -9 $(cat {HOME}/agent.pid)")


def _end_worker(campaign: PhoneCampaign) -> None:
    # Children of the agent: the fourth field after the name is the parent.
    campaign.script(
        f"a=$(cat {HOME}/agent.pid); for s in /proc/[0-9]*/stat; do "
        '[ "$(cut -d " " -f 4 $s 2>/dev/null)" = "$a" ] && kill -9 "$(cut -d " " -f 1 $s)"; done; true'
    )


def _fill(campaign: PhoneCampaign) -> None:
    campaign.renew()
    campaign.script(
        f"f=$(df -k /data/local/tmp | tail -n 1 | awk '{{print $4}}'); "
        f"fallocate -l $((f - {_FREE_KIB}))K /data/local/tmp/filler; true"
    )


def _empty(campaign: PhoneCampaign) -> None:
    campaign.script("rm -f /data/local/tmp/filler")


def _signal_host(campaign: PhoneCampaign, number: signal.Signals) -> None:
    assert campaign.running is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(campaign.running.pid, number)


def _end_server(campaign: PhoneCampaign) -> None:
    subprocess.run(["adb", "kill-server"], check=True, capture_output=True, timeout=_SCRIPT_SECONDS)


_BRIEF = (0.3, 4.0)
KINDS = {
    "link off, on again": Kind(
        lambda campaign: _link(campaign, up=False), lambda campaign: _link(campaign, up=True), _BRIEF
    ),
    "machine paused, goes on": Kind(
        lambda campaign: _machine(campaign, goes=False), lambda campaign: _machine(campaign, goes=True), _BRIEF
    ),
    "adbd ended, started again": Kind(_end_adbd),
    "agent killed": Kind(_end_agent),
    "worker killed": Kind(_end_worker),
    "storage full": Kind(_fill, _empty, from_the_start=True),
    "host killed": Kind(lambda campaign: _signal_host(campaign, signal.SIGKILL)),
    "host interrupted": Kind(lambda campaign: _signal_host(campaign, signal.SIGINT)),
    "adb server ended": Kind(_end_server),
    "link off": Kind(lambda campaign: _link(campaign, up=False), lambda campaign: _link(campaign, up=True)),
    "machine paused": Kind(
        lambda campaign: _machine(campaign, goes=False), lambda campaign: _machine(campaign, goes=True)
    ),
}


def table(outcomes: Sequence[Outcome]) -> str:
    """Counts by kind, and the slowest."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.kind].append(outcome)
    lines = [f"{'kind':28}{'count':>6}{'in stream':>11}{''.join(f'{end:>19}' for end in _ENDS)}{'slowest s':>11}"]
    for kind, ones in [*sorted(by_kind.items()), ("all", list(outcomes))]:
        counts = "".join(f"{sum(one.end == end for one in ones):>19}" for end in _ENDS)
        streams = sum(one.phase == "stream" for one in ones)
        lines.append(f"{kind:28}{len(ones):>6}{streams:>11}{counts}{max(one.seconds for one in ones):>11.1f}")
    return "\n".join(lines)


def main() -> None:
    """Run a campaign; exit status 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.phone_faults", description="Faults over adb.")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (%(default)s)")
    parser.add_argument("--count", type=int, default=33, help="faults (%(default)s)")
    parser.add_argument("--models", type=Path, help="folder of exported models, kept for the next campaign")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, metavar="KIND", help="only these")
    options = parser.parse_args()
    # An adb server of its own: that of others is not ended.
    os.environ["ANDROID_ADB_SERVER_PORT"] = str(_free_port())
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="campaign-") as scratch:
        models = options.models or Path(scratch) / "models"
        models.mkdir(parents=True, exist_ok=True)
        try:
            with PhoneCampaign(load_models(models), Path(scratch), options.seed, print) as campaign:
                for outcome in campaign.strikes(options.count, options.kinds or list(KINDS)):
                    outcomes.append(outcome)
                    line = f"{len(outcomes):4} {outcome.kind}, {outcome.phase}: {outcome.end}, {outcome.seconds:.1f} s"
                    print(line, outcome.message, flush=True)
        finally:
            subprocess.run(["adb", "kill-server"], check=False, capture_output=True, timeout=_SCRIPT_SECONDS)
    print(table(outcomes))
    sys.exit(any(outcome.end == "wrong" for outcome in outcomes))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
