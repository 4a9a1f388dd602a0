"""What one replica can become: every state of the real core that some deliveries lead to.

A replica is deterministic, so a step is made once for each state and message and then remembered; a
state of the whole cluster is no more than one number for each replica.
"""

from typing import NamedTuple

from engine.consensus.committee import Committee, Refused
from engine.consensus.effects import (
    Broadcast,
    Event,
    Execute,
    Receive,
    ReportEvidence,
    Send,
    Submit,
    Tick,
)
from engine.consensus.evidence import bad_new_view, content_of, subject_of
from engine.consensus.messages import (
    Batches,
    Commit,
    NewView,
    Prepare,
    PrePrepare,
    Proposal,
    ViewChange,
    Vote,
    decode_packet,
)
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from engine.consensus.simulate.independent import Notary
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.snapshot import canonical, copied, meaning_of
from engine.consensus.simulate.violation import Violation
from engine.consensus.view_change import plan_of

PATIENT_MS = 1_000_000_000
SETTINGS = Settings(
    in_flight=1, batch_submissions=1, request_timeout_ms=1, longest_tick_ms=PATIENT_MS,
    relay_ms=PATIENT_MS, pace_ms=PATIENT_MS,
)  # fmt: skip
"""One batch of one submission at a time; the one tick that a replica gets is its timeout."""
SLOTS = 1
"""What is said of higher numbers is not delivered."""


class Message(NamedTuple):
    """A frame on its way, from whom to whom; nobody in particular is everybody."""

    sender: int
    target: int
    frame: bytes


EVERYBODY = -1


class Step(NamedTuple):
    """What a delivery makes of a replica."""

    state: int
    heard: bool
    """Whether it changed anything."""
    loud: bool
    """Whether others can notice: it spoke, decided, or left or entered a view."""


class _Future(NamedTuple):
    replica: Replica
    said: frozenset[int]
    decided: tuple[bytes, ...] | None
    timed_out: bool


class Wire:
    """Every message that was ever said, by number."""

    def __init__(self, committee: Committee) -> None:
        """Begin with none."""
        self.committee = committee
        self.messages: list[Message] = []
        self._numbers: dict[Message, int | None] = {}
        self._meanings: dict[tuple[object, ...], int] = {}
        self.view_of: list[int | None] = []
        """For a vote on a slot, the view in which it counts."""
        self.counted_with: list[object] = []
        """Votes are counted with those of their kind, for the same, and with no others."""

    def number(self, message: Message) -> int | None:
        """The number of ``message``; None when it is of a kind, or a slot, that is left out.

        Messages that prove the same have one number: that of the first.
        """
        if message not in self._numbers:
            self._numbers[message] = self._new(message)
        return self._numbers[message]

    def _new(self, message: Message) -> int | None:
        packet, view = decode_packet(message.frame), None
        together: tuple[object, ...] | None = None
        meaning: tuple[object, ...] = message
        if isinstance(packet, (Vote, Proposal)):
            inner = self.committee.read(packet.frame)
            if inner.replica != message.sender:
                return None
            if isinstance(inner, (PrePrepare, Prepare, Commit)):
                if inner.sequence_number > SLOTS:
                    return None
                view, together = inner.view, (type(inner), inner.view, inner.digest)
            elif isinstance(inner, ViewChange):
                meaning, together = meaning_of(inner), (ViewChange,)
            elif isinstance(inner, NewView):
                meaning = (inner.replica, inner.view, self._begins(inner))
            else:
                return None
        elif not isinstance(packet, Batches):
            return None
        number = self._meanings.setdefault(meaning, len(self.messages))
        if number == len(self.messages):
            self.messages.append(message)
            self.view_of.append(view)
            self.counted_with.append(together)
        return number

    def _begins(self, beginning: NewView) -> object:
        """What a view begins with; nothing, where its beginning goes against its own contents."""
        try:
            return plan_of(beginning, self.committee, SETTINGS.window).slots
        except Refused:
            return None


class Futures:
    """All that one honest replica was seen to become."""

    def __init__(self, wire: Wire, members: Members, me: int) -> None:
        """Begin with replica ``me``."""
        self.me = me
        self._wire = wire
        self._notary = Notary(members.genesis, members.verifier, wire.committee.quorum)
        self._states: list[_Future] = []
        self._numbers: dict[tuple[object, ...], int] = {}
        self._steps: dict[tuple[int, int], Step] = {}
        agent = members.ids[me]
        self._ids = members.ids
        replica = Replica(wire.committee, agent, members.signers[agent], SETTINGS, Resume())
        replica.step(Tick(0))
        self._first = _Future(replica, frozenset(), None, timed_out=False)

    def begin(self, *submissions: bytes) -> int:
        """The state in which these wait to be ordered."""
        state = self._first
        for submission in submissions:
            after = self._after(state, Submit(submission))
            assert after is not None, "nobody is accused for a submission"
            state = after
        return self._intern(state)

    def __len__(self) -> int:
        return len(self._states)

    def said(self, state: int) -> frozenset[int]:
        """The messages that it has sent."""
        return self._states[state].said

    def decided(self, state: int) -> tuple[bytes, ...] | None:
        """The batch that it has executed; None while there is none."""
        return self._states[state].decided

    def view(self, state: int) -> int:
        """The view that it is in, or changes to."""
        return self._states[state].replica.view

    def times_out(self, state: int) -> Step | None:
        """What it becomes when its patience ends; None where that is beyond the bounds."""
        known = self._states[state]
        if known.timed_out or known.replica.view or not known.replica.entered:
            return None
        return self._step(state, -1)

    def hears(self, state: int, message: int) -> Step:
        """What it becomes when ``message`` arrives."""
        found = self._steps.get((state, message))
        if found is None:
            replica, view = self._states[state].replica, self._wire.view_of[message]
            if view is not None and (view != replica.view or not replica.entered):
                # Kept until its view is entered, or refused: the wire keeps it as well.
                found = self._steps[state, message] = Step(state, heard=False, loud=False)
            else:
                found = self._step(state, message)
        return found

    def _step(self, state: int, message: int) -> Step:
        known = self._states[state]
        if message < 0:
            event: Event = Tick(PATIENT_MS)
            known = known._replace(timed_out=True)
        else:
            sender, _, frame = self._wire.messages[message]
            event = Receive(self._ids[sender], frame)
        following = self._after(known, event)
        # An accusation follows from what was signed, and that is checked; it changes nothing else.
        number = state if following is None else self._intern(following)
        following = self._states[number]
        before, after = known.replica, following.replica
        loud = (
            following.said != known.said
            or following.decided != known.decided
            or (before.view, before.entered) != (after.view, after.entered)
        )
        found = self._steps[state, message] = Step(number, number != state, loud)
        return found

    def _intern(self, state: _Future) -> int:
        timed_out = state.timed_out or state.replica.view > 0
        key = (canonical(state.replica), state.said, state.decided, timed_out)
        number = self._numbers.setdefault(key, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number

    # --- effects -------------------------------------------------------------------------------

    def _after(self, state: _Future, event: Event) -> _Future | None:
        replica = copied(state.replica)
        said, decided = set(state.said), state.decided
        for effect in replica.step(event):
            match effect:
                case Broadcast() | Send():
                    number = self._wire.number(self._sent(effect))
                    if number is not None:
                        said.add(number)
                case Execute() if effect.entry.sequence_number <= SLOTS:
                    objection = self._notary.objection_to_entry(effect.entry)
                    if objection:
                        raise Violation(f"{self.me} executed what is not proved: {objection}")
                    decided = effect.entry.batch
                case ReportEvidence():
                    return None
                case _:
                    pass
        if len(said) > len(state.said):
            self._check_words(said)
        return _Future(replica, frozenset(said), decided, state.timed_out)

    def _sent(self, effect: Broadcast | Send) -> Message:
        target = self._ids.index(effect.peer) if isinstance(effect, Send) else EVERYBODY
        return Message(self.me, target, effect.frame)

    def _check_words(self, said: set[int]) -> None:
        """Of what an honest replica signed, nothing convicts it: no two frames, and no one alone."""
        words: dict[tuple[object, ...], bytes] = {}
        for number in said:
            packet = decode_packet(self._wire.messages[number].frame)
            assert isinstance(packet, (Vote, Proposal)), "nothing else is kept"
            message = self._wire.committee.read(packet.frame)
            subject, content = subject_of(message), content_of(message)
            assert subject is not None, "whatever is kept is about something"
            if words.setdefault(subject, content) != content:
                raise Violation(f"{self.me} signed two different {subject}")
            if bad_new_view(packet.frame, self._wire.committee, SETTINGS.window) is not None:
                raise Violation(f"{self.me} began a view against its contents")
