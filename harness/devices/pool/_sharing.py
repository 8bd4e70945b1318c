"""Who gets which batch: shares by speed, taken back from who is lost, and some asked twice to see that answers agree.

One lock guards everything here. Nothing in it waits for a device; reading the next batch is all that takes time.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.devices._types import BatchAnswer
from harness.devices.pool._agreement import Difference, difference, largest_group
from harness.devices.pool._members import Member
from harness.errors import DeviceOutputError
from harness.types import Records

__all__ = ["Disagreement", "Sharing"]

# The first batches go to every device; no answer is given out before they were compared.
_FIRST = 2
# Of the later ones about one in so many goes to a second device as well.
_PROBED_ONE_IN = 32
# Read ahead of the answer that is given out next: a fast device does so many while a slow one has that one batch.
_AHEAD_BATCHES = 256
_AHEAD_BYTES = 64 << 20
# Even of batches larger than that, each device has a few on their way.
_AHEAD_EACH = 4
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Disagreement:
    """A device's answers are not those of another one.

    Args:
        member: whose answers differ.
        reference: whose they are compared with.
        found: where they differ the most.
    """

    member: Member
    reference: Member
    found: Difference

    def __str__(self) -> str:
        """The finding, to follow the device's name."""
        return f"its answers are not those of {self.reference.name}: {self.found}"


@dataclass
class _Own:
    """What one member has to do with the stream.

    Args:
        asked: batches to ask it in any case, before others.
        under_way: handed to it and not answered.
        first: its answers to the first batches.
    """

    asked: deque[int]
    under_way: dict[int, None] = field(default_factory=dict)
    first: dict[int, BatchAnswer] = field(default_factory=dict)


class Sharing:
    """The batches of one stream, between several members and the caller who takes the answers in order.

    Args:
        batches: number and records.
        rng: decides which batches are asked twice.
    """

    def __init__(self, batches: Iterable[tuple[int, Records]], *, rng: random.Random) -> None:
        self.changed = threading.Condition()
        # What went wrong for all; the caller raises it.
        self.failure: BaseException | None = None
        # Who was left out since the caller last looked.
        self.disagreements: deque[Disagreement] = deque()
        self._source = iter(batches)
        self._rng = rng
        self._exhausted = False
        self._over = False
        # Read and not given out, in order.
        self._read: dict[int, Records] = {}
        self._bytes = 0
        self._waiting: deque[int] = deque()
        self._answers: dict[int, tuple[Member, BatchAnswer]] = {}
        # Asked twice on purpose, and whom else: held back until the second answer is there.
        self._probes: dict[int, Member] = {}
        # The first batches, and the reference's answers to them, for whoever joins later.
        self._first: dict[int, Records] = {}
        self._reference: tuple[Member, Sequence[BatchAnswer]] | None = None
        self._agreed: set[Member] = set()
        self._own: dict[Member, _Own] = {}

    # -- the caller ---------------------------------------------------------------------------------------------------

    def take(self) -> BatchAnswer | None:
        """The next answer in order where it is there; None where one has to wait. Called under the lock."""
        number = next(iter(self._read), None)
        if self._reference is None or number is None or number not in self._answers or number in self._probes:
            return None
        member, answer = self._answers[number]
        member.answered += 1
        self._bytes -= _size(self._read.pop(number))
        self._forget_given_out()
        self.changed.notify_all()
        return answer

    @property
    def is_done(self) -> bool:
        """Whether every batch was answered and given out."""
        return self._exhausted and not self._read

    def is_over(self) -> bool:
        """Whether the caller wants no more answers."""
        return self._over

    def end(self) -> None:
        """Nobody gets another batch."""
        with self.changed:
            self._over = True
            self.changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End everything for a reason that is no matter of one device."""
        with self.changed:
            self.failure = self.failure or error
            self._over = True
            self.changed.notify_all()

    # -- the members --------------------------------------------------------------------------------------------------

    def join(self, member: Member) -> None:
        """Let a member take part, at the start or after it was lost; it answers the first batches before others."""
        with self.changed:
            while self._reference is None and len(self._first) < _FIRST and self._read_one() is not None:
                pass
            self._own[member] = _Own(deque([] if member in self._agreed else self._first))
            self.changed.notify_all()

    def leave(self, member: Member) -> None:
        """Take a member's batches back for the others."""
        with self.changed:
            self._remove(member)
            self._conclude()
            self.changed.notify_all()

    def shares(self, member: Member) -> Iterator[Iterator[tuple[int, Records]]]:
        """One stream of batches after the other: a stream ends where there is nothing for the member at that moment."""
        while (first := self._first_of_share(member)) is not None:
            yield self._share(member, first)

    def put(self, member: Member, answer: BatchAnswer) -> None:
        """Take a member's answer."""
        with self.changed:
            own, number = self._own.get(member), answer.number
            if own is None:
                return
            own.under_way.pop(number, None)
            if number in self._first and member not in self._agreed:
                own.first[number] = answer
                self._conclude()
            elif number in self._answers:
                self._compare(member, answer)
                self._probes.pop(number, None)
                self._forget_given_out()
            elif number in self._read:
                self._answers[number] = (member, answer)
            self.changed.notify_all()

    # -- inside, under the lock ---------------------------------------------------------------------------------------

    def _first_of_share(self, member: Member) -> tuple[int, Records] | None:
        with self.changed:
            while not self._over and member in self._own and not self._is_answered():
                batch = self._next(member)
                if batch is not None:
                    return batch
                self.changed.wait(_LOOK_SECONDS)
        return None

    def _share(self, member: Member, first: tuple[int, Records]) -> Iterator[tuple[int, Records]]:
        batch: tuple[int, Records] | None = first
        while batch is not None:
            yield batch
            with self.changed:
                batch = None if self._over or member not in self._own else self._next(member)

    def _is_answered(self) -> bool:
        return self._exhausted and self._reference is not None and all(n in self._answers for n in self._read)

    def _next(self, member: Member) -> tuple[int, Records] | None:
        own = self._own[member]
        number = self._number_for(member, own)
        if number is None:
            return None
        own.under_way[number] = None
        return number, self._first[number] if number in self._first else self._read[number]

    def _number_for(self, member: Member, own: _Own) -> int | None:
        while own.asked:
            number = own.asked.popleft()
            if number in self._first or number in self._read:
                return number
        if member not in self._agreed and len(own.first) < len(self._first):
            return None
        while self._waiting:
            number = self._waiting.popleft()
            if number in self._read and number not in self._answers:
                return number
        fresh = None if self._is_full() else self._read_one()
        if fresh is not None:
            self._perhaps_probe(member, fresh)
            return fresh
        return None if own.under_way else self._from_another()

    def _from_another(self) -> int | None:
        """The oldest batch that another member has and did not answer: nobody waits for the slowest at the end."""
        return next((n for n in self._read if n not in self._answers and n not in self._first), None)

    def _read_one(self) -> int | None:
        batch = None if self._exhausted else next(self._source, None)
        if batch is None:
            self._exhausted = True
            return None
        number, records = batch
        self._read[number] = records
        self._bytes += _size(records)
        if self._reference is None and len(self._first) < _FIRST:
            self._first[number] = records
        return number

    def _is_full(self) -> bool:
        most = len(self._read) >= _AHEAD_BATCHES or self._bytes >= _AHEAD_BYTES
        return most and len(self._read) >= _AHEAD_EACH * len(self._own)

    def _perhaps_probe(self, member: Member, number: int) -> None:
        others = [one for one in self._own if one is not member and one in self._agreed]
        if others and self._rng.randrange(_PROBED_ONE_IN) == 0:
            self._probes[number] = self._rng.choice(others)
            self._own[self._probes[number]].asked.append(number)

    def _compare(self, member: Member, answer: BatchAnswer) -> None:
        """Hold a second answer against the first: a difference after equal beginnings casts doubt on all before it."""
        other, earlier = self._answers[answer.number]
        found = difference([earlier], [answer]) if other is not member else None
        if found is None:
            return
        reference, later = sorted((member, other), key=lambda one: one.place)
        self.failure = DeviceOutputError(
            f"{Disagreement(later, reference, found)}, although the first ones were equal",
            device=later.name,
            hint="leave it out and start over with --fresh; --mode replicate audits each device and compares them",
        )
        self._over = True

    def _conclude(self) -> None:
        """Compare the first answers, once all who take part have given theirs, and later those of who joined since."""
        whole = {one: _in_order(own.first) for one, own in self._own.items() if len(own.first) == len(self._first)}
        if self._reference is None:
            if not whole or len(whole) < len(self._own):
                return
            ordered = sorted(whole, key=lambda one: one.place)
            chosen = largest_group({one: whole[one] for one in ordered})[0]
            self._reference = (chosen, whole[chosen])
            self._answers |= {answer.number: (chosen, answer) for answer in whole[chosen]}
        reference, answers = self._reference
        for one, own in whole.items():
            found = None if one in self._agreed else difference(answers, own)
            if found is None:
                self._agreed.add(one)
                continue
            self.disagreements.append(Disagreement(one, reference, found))
            self._remove(one)
            wrong = [n for n, (by, _) in self._answers.items() if by is one]
            for number in wrong:
                del self._answers[number]
            self._waiting.extend(wrong)

    def _remove(self, member: Member) -> None:
        own = self._own.pop(member, None)
        if own is None:
            return
        lost = [n for n in own.under_way if n not in self._answers and n not in self._first]
        self._waiting.extendleft(reversed(lost))
        for number, second in list(self._probes.items()):
            if second is member or number in own.under_way:
                del self._probes[number]
        self._forget_given_out()

    def _forget_given_out(self) -> None:
        """Drop answers that were given out, unless a second one to the same batch is still to be compared."""
        kept = {number for own in self._own.values() for number in own.under_way} | self._read.keys()
        for number in [n for n in self._answers if n not in kept]:
            del self._answers[number]


def _in_order(answers: dict[int, BatchAnswer]) -> Sequence[BatchAnswer]:
    return [answers[number] for number in sorted(answers)]


def _size(records: Records) -> int:
    return sum(values.nbytes for values in records.inputs.values())
