"""Scenarios 1-13: traitors on the wire and in the lead. Safety is checked at every execution."""

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from engine.consensus.effects import Receive
from engine.consensus.inbox import Inbox
from engine.consensus.messages import Commit, Prepare, PrePrepare, Proposal, Relay, Vote
from engine.consensus.runtime import ROUND
from engine.consensus.settings import Settings
from engine.consensus.simulate.node import Node
from engine.vocabulary import AgentId
from tests.simulate.stage import Stage, message_in

LIE = bytes([9] * 32)


def test_conflicting_votes_neither_split_nor_stop_the_others() -> None:
    """Scenario 1: replica 4 votes for one batch to some and for another to the rest."""
    stage = Stage(liars=[4], puppets=False)

    def two_faced(source: int, target: int, frame: bytes) -> bytes | None:
        message = message_in(frame, stage.speaker)
        if source == 4 and target in (2, 3) and isinstance(message, (Prepare, Commit)):
            place = (*stage.speaker.head, 4, message.view, message.sequence_number, LIE)
            return stage.speaker.sign(type(message)(*place))
        return frame

    stage.rules.append(two_faced)
    stage.ask(*range(1, 9))
    assert stage.decides(*range(1, 9))
    assert set(stage.views()) == {0}


def test_conflicting_votes_to_one_replica_convict_at_one_place_in_every_ledger() -> None:
    """Scenario 1: the proof is ordered like anything else, so all convict at one number."""
    stage = Stage(liars=[4])
    digests = [stage.speaker.digest(stage.offer(counter)) for counter in (1, 2)]
    for digest in digests:
        stage.say(4, Vote(stage.speaker.prepare(4, 0, 1, digest)), 0, 1, 2, 3)

    assert stage.run(500, until=lambda: bool(stage.accusations))
    evidence = stage.accusations[0]
    conviction = stage.conviction(evidence, by=1)
    stage.submit(conviction)

    assert stage.run(5000, until=lambda: all(map(stage.places_of(conviction), stage.honest())))
    assert len({stage.places_of(conviction)(node) for node in stage.honest()}) == 1
    assert stage.culprits() == {4}
    assert stage.proves(evidence)


def test_message_tampering_is_dropped_and_accuses_nobody() -> None:
    """Scenario 2: the wire flips a bit in every fifth frame, in whatever field it falls."""
    stage = Stage()
    flips = random.Random(2)
    tampered = 0

    def flip(_source: int, _target: int, frame: bytes) -> bytes:
        nonlocal tampered
        if flips.random() >= 0.2:
            return frame
        tampered += 1
        at = flips.randrange(8 * len(frame))
        changed = bytearray(frame)
        changed[at // 8] ^= 1 << at % 8
        return bytes(changed)

    stage.rules.append(flip)
    stage.ask(*range(1, 17))
    stage.run(3000)
    assert tampered > 20
    stage.heal()

    assert stage.decides(*range(1, 17))
    assert not stage.accusations


@pytest.mark.parametrize("delay_ms", [600, 900])
def test_strategic_delay_is_answered_by_progress_or_a_new_view_never_by_blame(
    delay_ms: int,
) -> None:
    """Scenario 3: the primary says everything just before, or just after, its time is over."""
    stage = Stage(liars=[0], puppets=False)
    stage.lag = lambda source, _target, _frame: delay_ms if source == 0 else 0

    stage.ask(*range(1, 9))
    assert stage.decides(*range(1, 9), within_ms=8000)

    assert not stage.accusations
    assert delay_ms < Settings().request_timeout_ms or set(stage.views()) != {0}


def test_forged_signatures_cost_the_victim_nothing() -> None:
    """Scenario 4: replica 4 forges votes of replica 2, over its own channel, ten a millisecond."""
    calm_ms = _time_to_decide(Stage())
    stage = Stage(liars=[4])
    forged = stage.speaker.prepare(2, 0, 1, LIE)[:-1] + b"?"
    own = stage.speaker.prepare(4, 0, 1, LIE)[:-1] + b"?"
    for after_ms in range(200):
        for frame in (forged, own) * 5:
            stage.at(after_ms, partial(stage.whisper, 4, frame))

    flooded_ms = _time_to_decide(stage)

    assert flooded_ms <= 2 * calm_ms
    assert not stage.accusations
    assert set(stage.views()) == {0}


class Busy(Stage):
    """Replicas that need a tenth of a millisecond for a message, behind the inbox of the real process."""

    def __init__(self, *, liars: Sequence[int] = ()) -> None:
        super().__init__(liars=liars)
        self.inboxes: list[Inbox[AgentId]] = []
        self._at_work: set[AgentId] = set()
        for node in self.all_nodes():
            inbox: Inbox[AgentId] = Inbox()
            self.inboxes.append(inbox)
            node.hear = partial(self._queue, node, inbox)  # type: ignore[method-assign]

    def _queue(self, node: Node, inbox: Inbox[AgentId], event: Receive, _sent_ms: int) -> None:
        inbox.put(event.peer, event.frame, 0)
        if node.agent not in self._at_work:
            self._at_work.add(node.agent)
            self._round(node, inbox)

    def _round(self, node: Node, inbox: Inbox[AgentId]) -> None:
        taken = list(inbox.take(ROUND))
        if not taken:
            self._at_work.discard(node.agent)
        for peer, frame, _ in taken:
            node.step(Receive(peer, frame))
        if taken:
            self.at(-(-len(taken) // 10), partial(self._round, node, inbox))

    def latencies_ms(self, decisions: int) -> list[int]:
        """How long each of so many took, one after the other, until all honest had executed it."""
        found: list[int] = []
        for counter in range(1, decisions + 1):
            asked_ms = self.now_ms
            self.ask(counter)
            while not all(node.head[0] >= counter for node in self.honest() if node.replica):
                assert self.now_ms < asked_ms + 1_000
                self.run(1)
            found.append(self.now_ms - asked_ms)
        return sorted(found)


def test_a_flood_of_forged_signatures_is_throttled_and_hardly_felt() -> None:
    """Scenario 4: ten a millisecond for as long as a hundred decisions take; their 99th percentile."""
    calm = Busy().latencies_ms(100)
    stage = Busy(liars=[4])
    forged = stage.speaker.prepare(2, 0, 1, LIE)[:-1] + b"?"

    def flood() -> None:
        for _ in range(10):
            stage.whisper(4, forged)
        stage.at(1, flood)

    stage.at(0, flood)
    flooded = stage.latencies_ms(100)

    assert flooded[98] < 2 * calm[98]
    assert all(inbox.dropped for inbox in stage.inboxes[:4])
    assert not stage.accusations
    assert set(stage.views()) == {0}


def _time_to_decide(stage: Stage) -> int:
    started_ms = stage.now_ms
    stage.ask(*range(1, 9))
    assert stage.decides(*range(1, 9))
    return stage.now_ms - started_ms


def _equivocate(stage: Stage, sides: dict[tuple[int, ...], int]) -> None:
    for group, counter in sides.items():
        batch = stage.offer(counter)
        stage.say(0, stage.proposal(batch), *group)
        stage.say(0, stage.commit(0, batch), *group)
        stage.submit(batch[0], [stage.node(place) for place in group])


def test_an_equivocating_leader_split_two_and_two_decides_nothing_and_is_convicted() -> None:
    """Scenario 5: no decision in view 0; both batches are decided in view 1; proof."""
    stage = Stage(liars=[0])
    _equivocate(stage, {(1, 2): 1, (3, 4): 2})
    stage.run(400)
    assert not stage.checker.canonical

    assert stage.decides(1, 2)
    assert set(stage.views()) == {1}
    assert stage.culprits() == {0}


def test_an_equivocating_leader_split_three_and_one_commits_and_the_laggard_converges() -> None:
    """Scenario 6: leader and three may commit A; the fourth, who was shown B, executes A too."""
    stage = Stage(liars=[0])
    _equivocate(stage, {(1, 2, 3): 1, (4,): 2})

    assert stage.run(400, until=lambda: stage.node(1).head[0] == 1)
    first = stage.node(1).entries[0]
    assert stage.decides(1, 2)
    assert stage.node(4).entries[0].batch == first.batch
    assert stage.culprits() == {0}


def test_a_silent_leader_is_replaced_within_one_timeout() -> None:
    """Scenario 7: nobody hears of view 0 again; nobody is accused of silence."""
    stage = Stage(liars=[0])
    stage.ask(1)

    asked_ms = stage.now_ms
    assert stage.run(2000, until=lambda: set(stage.views()) == {1})

    assert stage.now_ms - asked_ms <= stage.settings.request_timeout_ms + 150
    assert stage.decides(1)
    assert not stage.accusations


def test_a_leader_that_works_just_fast_enough_is_replaced() -> None:
    """Scenario 8 (Aardvark): one batch just before each timeout is progress, but not service."""
    stage = Stage(liars=[0], puppets=False)
    free_ms = stage.now_ms
    due_ms: dict[int, int] = {}

    def drip(source: int, _target: int, frame: bytes) -> int:
        nonlocal free_ms
        message = message_in(frame, stage.speaker)
        if source != 0 or not isinstance(message, PrePrepare):
            return 0
        if message.sequence_number not in due_ms:
            free_ms = max(free_ms, stage.now_ms) + stage.settings.request_timeout_ms - 60
            due_ms[message.sequence_number] = free_ms
        return max(0, due_ms[message.sequence_number] - stage.now_ms)

    stage.lag = drip
    for round_ in range(100):
        stage.at(50 * round_, partial(stage.ask, round_ + 1))

    assert stage.run(15_000, until=lambda: min(stage.views()) >= 1)
    assert stage.decides(*range(1, 101))
    assert not stage.accusations


def test_a_leader_that_starves_one_author_is_replaced() -> None:
    """Scenario 9: replica 0 serves all but submission 99, which the others relay in vain."""
    stage = Stage(liars=[0], puppets=False)
    starved = stage.members.submission(99)
    stage.rules.append(
        lambda _source, target, frame: None if target == 0 and starved in frame else frame
    )
    stage.ask(99, at=[1, 2, 3, 4])
    for round_ in range(60):
        stage.at(50 * round_, partial(stage.ask, round_ + 1))

    assert stage.decides(99, *range(1, 61))
    assert min(stage.views()) >= 1
    assert any(isinstance(message_in(it, stage.speaker), Relay) for _, _, it in stage.posted)


def _repeated(stage: Stage) -> Proposal:
    (one,) = stage.offer(1)
    return stage.proposal((one, one))


def _unsigned(stage: Stage) -> Proposal:
    (one,) = stage.offer(1)
    return stage.proposal((one[:-1] + bytes([one[-1] ^ 1]),))


def _of_another_batch(stage: Stage) -> Proposal:
    return Proposal(stage.proposal(stage.offer(1)).frame, stage.offer(2))


@pytest.mark.parametrize(
    "lie",
    [lambda stage: stage.proposal((b"garbage",)), _repeated, _unsigned, _of_another_batch],
    ids=["garbage", "repeated", "unsigned", "of another digest"],
)
def test_a_leader_that_proposes_what_nobody_asked_for_gets_no_vote(
    lie: Callable[[Stage], Proposal],
) -> None:
    """Scenario 10: it is refused, and the next leader serves the author."""
    stage = Stage(liars=[0])
    stage.say(0, lie(stage), 1, 2, 3, 4)
    stage.ask(7)
    stage.run(300)
    said = [message_in(frame, stage.speaker) for source, _, frame in stage.posted if source]
    assert not any(isinstance(message, (Prepare, Commit)) for message in said)

    assert stage.decides(7)
    assert set(stage.views()) == {1}
    assert not stage.accusations


def test_a_leader_cannot_use_up_sequence_numbers() -> None:
    """Scenario 11: a number beyond the watermark is refused; a gap is filled with null batches."""
    stage = Stage(liars=[0])
    far, gap = stage.offer(1), stage.offer(2)
    stage.say(0, stage.proposal(far, number=stage.settings.window + 1), 1, 2, 3, 4)
    stage.say(0, stage.proposal(gap, number=3), 1, 2, 3, 4)
    stage.submit(gap[0])
    stage.run(300)
    assert not stage.checker.canonical

    assert stage.decides(2)
    assert [stage.checker.canonical[number] for number in (1, 2, 3)] == [(), (), gap]
    assert max(stage.checker.canonical) < stage.settings.window


def test_a_backup_that_the_leader_omits_catches_up_from_the_others() -> None:
    """Scenario 12: replica 0 never says a word to replica 4."""
    stage = Stage(liars=[0], puppets=False)
    stage.lose(of=[0], to=[4])

    stage.ask(*range(1, 25))

    assert stage.decides(*range(1, 25))
    assert not stage.accusations


@pytest.mark.parametrize(("n", "f"), [(7, 2), (13, 4)])
def test_as_many_faulty_leaders_in_a_row_as_there_can_be_cost_as_many_views(n: int, f: int) -> None:
    """Scenario 13: decided in view f, and the pauses between are bounded."""
    settings = Settings(checkpoint_period=4, in_flight=4)
    stage = Stage(n, f, liars=range(f), settings=settings)
    stage.ask(1)

    patience_ms = settings.request_timeout_ms + settings.view_change_timeout_ms * (2**f - 1)
    assert stage.decides(1, within_ms=patience_ms + 1000)
    assert set(stage.views()) == {f}
