"""A pool that splits one stream: nothing lost, nothing doubled, and whoever answers otherwise is found."""

from __future__ import annotations

import hashlib
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from harness.devices import BatchAnswer, FakeAgent, SplitDevice, Timeouts, open_device, open_split
from harness.errors import DeviceError, DeviceLostError, DeviceOutputError, InputError
from harness.types import Artifact, Records, TensorSpec
from tests.devices.files import placeholder
from tests.end_to_end.conftest import Agent, agent
from tests.end_to_end.hand_made import litert_float
from tests.end_to_end.supplied import CLASSES, SHAPE, linear_of
from tests.pool.agents import altered

# A lost agent is given up after a second of tries, so that tests of losses do not wait long.
QUICK = Timeouts(connect=20, reconnect=1, idle=20)
BATCHES, SIZE = 400, 3


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    path = tmp_path_factory.mktemp("pool") / "linear.tflite"
    litert_float(path, linear_of(0))
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    spec, output = TensorSpec("inputs", "float32", SHAPE), TensorSpec("", "float32", (CLASSES,))
    return Artifact("target", "original", "litert", path, digest, len(content), (spec,), output)


@pytest.fixture(scope="module")
def records() -> Records:
    n = BATCHES * SIZE - 1  # the last batch is a smaller one
    values = np.random.default_rng(0).random((n, *SHAPE), dtype=np.float32)
    return Records({"inputs": values}, np.zeros(n, dtype=np.int64), np.arange(n))


def batches(records: Records) -> Iterator[tuple[int, Records]]:
    for number in range(BATCHES):
        yield number, records.take(slice(number * SIZE, (number + 1) * SIZE))


@pytest.fixture(scope="module")
def undisturbed(artifact: Artifact, records: Records) -> list[bytes]:
    """What one agent alone answers."""
    with open_device("local", timeouts=Timeouts(connect=60)) as device:
        device.deploy(artifact)
        return [answer.outputs[artifact.key].tobytes() for answer in device.invoke([artifact], batches(records))]


def target_of(url: str) -> str:
    return url.removeprefix("grpc://")


def collected(
    pool: SplitDevice, artifact: Artifact, records: Records, *, on: Callable[[int], object] = lambda _: None
) -> list[bytes]:
    """All answers of a pool; they come in order, each once."""
    pool.deploy(artifact)
    answers = []
    for place, answer in enumerate(pool.invoke([artifact], batches(records))):
        assert answer.number == place
        answers.append(answer.outputs[artifact.key].tobytes())
        on(place)
    return answers


def test_two_agents_share_the_batches_and_answer_as_one(
    agents: Callable[[], Agent], artifact: Artifact, records: Records, undisturbed: list[bytes]
) -> None:
    said: list[str] = []
    with open_split([agents().url, agents().url], say=said.append, timeouts=QUICK) as pool:
        assert collected(pool, artifact, records) == undisturbed
        shares = [member["batches"] for member in pool.members]
    assert sum(map(int, map(str, shares))) == BATCHES
    assert all(share != 0 for share in shares)
    assert not said


def test_an_agent_killed_half_way_loses_nothing_and_doubles_nothing(
    agents: Callable[[], Agent], artifact: Artifact, records: Records, undisturbed: list[bytes]
) -> None:
    said: list[str] = []
    steady, killed = agents(), agents()
    with open_split([killed.url, steady.url], say=said.append, timeouts=QUICK) as pool:
        got = collected(
            pool, artifact, records, on=lambda place: killed.end(signal.SIGKILL) if place == BATCHES // 4 else None
        )
        assert got == undisturbed
        # The other may have done all of it before the loss was certain: a second stream finds nobody there.
        assert collected(pool, artifact, records) == undisturbed
        members = pool.members
    assert said
    assert all(killed.url in sentence for sentence in said)
    assert members[0]["losses"] != 0
    assert members[1]["losses"] == 0


def test_an_agent_started_anew_takes_part_again(
    agents: Callable[[], Agent], artifact: Artifact, records: Records, undisturbed: list[bytes]
) -> None:
    steady, killed = agents(), agents()
    with ExitStack() as stack:

        def restart(place: int) -> None:
            if place == BATCHES // 4:
                killed.end(signal.SIGKILL)
                stack.enter_context(agent(killed.port))

        with open_split([steady.url, killed.url], say=lambda _: None, timeouts=QUICK) as pool:
            assert collected(pool, artifact, records, on=restart) == undisturbed
            assert collected(pool, artifact, records) == undisturbed
            assert [member["left_out"] for member in pool.members] == [None, None]
            assert all(member["batches"] != 0 for member in pool.members)


def test_without_any_agent_left_the_loss_is_raised(
    agents: Callable[[], Agent], artifact: Artifact, records: Records
) -> None:
    both = [agents(), agents()]

    def kill(place: int) -> None:
        if place == 10:
            for one in both:
                one.end(signal.SIGKILL)

    timeouts = Timeouts(connect=2, reconnect=0.5)
    with (
        open_split([one.url for one in both], say=lambda _: None, timeouts=timeouts) as pool,
        pytest.raises(DeviceError, match=r"stopped answering|nothing answers"),
    ):
        collected(pool, artifact, records, on=kill)


def test_an_agent_that_answers_otherwise_is_named_and_left_out(
    agents: Callable[[], Agent], artifact: Artifact, records: Records, undisturbed: list[bytes]
) -> None:
    said: list[str] = []
    one, other = agents(), agents()
    with altered(target_of(other.url)) as url, open_split([one.url, url], say=said.append, timeouts=QUICK) as pool:
        assert collected(pool, artifact, records) == undisturbed
        assert [member["batches"] for member in pool.members] == [BATCHES, 0]
    assert len(said) == 1
    assert said[0].startswith(f"{url} is left out: its answers are not those of {one.url}")
    assert artifact.key in said[0]
    assert "differ by up to 0.001" in said[0]


def test_two_agents_that_agree_leave_out_the_first_one(
    agents: Callable[[], Agent], artifact: Artifact, records: Records, undisturbed: list[bytes]
) -> None:
    said: list[str] = []
    one, other = agents(), agents()
    names = [one.url, other.url]
    with altered(target_of(one.url)) as url, open_split([url, *names], say=said.append, timeouts=QUICK) as pool:
        assert collected(pool, artifact, records) == undisturbed
    assert [sentence.partition(" ")[0] for sentence in said] == [url]


def test_an_agent_that_answers_otherwise_later_ends_the_stream(
    agents: Callable[[], Agent], artifact: Artifact, records: Records
) -> None:
    one, other = agents(), agents()
    with altered(target_of(other.url), first=BATCHES // 8) as url:
        pool = SplitDevice(
            [one.url, url], lambda name: open_device(name, timeouts=QUICK), say=lambda _: None, rng=random.Random(0)
        )
        with pool, pytest.raises(DeviceOutputError, match="although the first ones were equal") as raised:
            collected(pool, artifact, records)
    assert raised.value.device == url
    assert artifact.key in str(raised.value)


# -- without runtimes: an agent that is a function


def placed(folder: Path) -> tuple[Artifact, Records]:
    n = BATCHES * SIZE
    values = np.arange(n, dtype=np.float32)[:, None]
    return placeholder(folder, "original"), Records({"args_0": values}, np.zeros(n, dtype=np.int64), np.arange(n))


def echo(_sha256: str, inputs: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    assert isinstance(inputs, dict)
    return np.repeat(inputs["args_0"], 3, axis=1)


def pooled(stack: ExitStack, answers: Sequence[Callable[..., object]]) -> SplitDevice:
    """A pool of agents that are functions."""
    fakes = [FakeAgent(one) for one in answers]  # type: ignore[arg-type]
    devices = {fake.url: stack.enter_context(fake) for fake in fakes}
    return stack.enter_context(SplitDevice(list(devices), lambda name: devices[name], say=lambda _: None))


def test_a_slow_device_gets_a_small_share_and_holds_up_nobody(tmp_path: Path) -> None:
    artifact, records = placed(tmp_path)

    def slowly(sha256: str, inputs: object) -> object:
        time.sleep(0.05)
        return echo(sha256, inputs)

    with ExitStack() as stack:
        pool = pooled(stack, [slowly, echo])
        answers = collected(pool, artifact, records)
        slow, fast = (int(str(member["batches"])) for member in pool.members)
    assert b"".join(answers) == np.repeat(records.inputs["args_0"], 3, axis=1).tobytes()
    assert slow + fast == BATCHES
    assert slow < fast


def test_records_that_a_model_does_not_take_are_the_callers_matter(tmp_path: Path) -> None:
    artifact, records = placed(tmp_path)

    def unreadable() -> Iterator[tuple[int, Records]]:
        yield from list(batches(records))[:5]
        raise InputError("no more")

    with ExitStack() as stack:
        pool = pooled(stack, [echo, echo])
        pool.deploy(artifact)
        with pytest.raises(InputError, match="no more"):
            list(pool.invoke([artifact], unreadable()))


def test_a_stream_that_is_left_early_frees_the_devices(tmp_path: Path) -> None:
    artifact, records = placed(tmp_path)
    with ExitStack() as stack:
        pool = pooled(stack, [echo, echo])
        pool.deploy(artifact)
        stream = pool.invoke([artifact], batches(records))
        first = next(stream)
        stream.close()
        again: list[BatchAnswer] = list(pool.invoke([artifact], batches(records)))
    assert first.number == 0
    assert [answer.number for answer in again] == list(range(BATCHES))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_few_batches_are_answered_too(tmp_path: Path, count: int) -> None:
    artifact, records = placed(tmp_path)
    with ExitStack() as stack:
        pool = pooled(stack, [echo, echo])
        pool.deploy(artifact)
        few = list(batches(records))[:count]
        assert [answer.number for answer in pool.invoke([artifact], few)] == list(range(count))


def test_nobody_there_is_said_by_the_first() -> None:
    def nobody(name: str) -> object:
        raise DeviceLostError("gone", device=name)

    with pytest.raises(DeviceLostError, match="a: gone"):
        SplitDevice(["a", "b"], nobody, say=lambda _: None)  # type: ignore[arg-type]


def test_a_device_lost_too_often_is_not_asked_again() -> None:
    opened: list[str] = []

    class Gone:
        """A device that opens and is never there afterwards."""

        def info(self) -> object:
            raise DeviceLostError("gone", device="a")

        def close(self) -> None:
            pass

    def open_one(name: str) -> object:
        opened.append(name)
        return Gone()

    pool = SplitDevice(["a"], open_one, say=lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(DeviceLostError):
        pool.info()
    assert opened == ["a"] * 3
