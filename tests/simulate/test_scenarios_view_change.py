"""Scenarios 14-21: what a change of view must keep, and what it must not believe."""

from functools import partial

import pytest

from engine.consensus.effects import Receive, Trace
from engine.consensus.messages import (
    Commit,
    NewView,
    Prepare,
    Prepared,
    PrePrepare,
    ViewChange,
    Vote,
    encode_packet,
)
from engine.consensus.view_change import select
from tests.simulate.stage import Stage, message_in

LIE = bytes([9] * 32)


@pytest.mark.parametrize("n", [4, 5])
def test_a_value_that_one_replica_committed_survives_its_leader(n: int) -> None:
    """Scenario 14: COMMITs reach replica 2 alone, which dies; then the leader is given up.

    Nobody but the leader was asked for the value, so that only proofs can bring it back.
    """
    stage = Stage(n)
    others = [place for place in range(n) if place != 2]
    stage.lose(Commit, to=others)
    stage.ask(1, at=[0])
    assert stage.run(500, until=lambda: stage.node(2).head[0] == 1)
    committed = stage.node(2).entries[0].batch
    assert [stage.node(place).head[0] for place in others] == [0] * (n - 1)

    stage.crash(stage.node(2))
    stage.rules.clear()

    def view_0_is_over(source: int, _target: int, frame: bytes) -> bytes | None:
        message = message_in(frame, stage.speaker)
        lost = isinstance(message, (PrePrepare, Commit)) and message.view == 0
        return None if lost and (source == 0 or isinstance(message, Commit)) else frame

    stage.rules.append(view_0_is_over)
    stage.ask(2, at=[1, 3])
    assert stage.decides(1, 2)
    stage.restart(stage.node(2))
    stage.ask(3)

    assert stage.decides(1, 2, 3)
    assert min(stage.views()) >= 1
    assert all(node.entries[0].batch == committed for node in stage.honest())


def _lies_about_what_was_prepared(stage: Stage) -> dict[str, ViewChange]:
    it = stage.speaker
    good = it.prepared(0, 1, LIE)
    forged = Prepared(good.pre_prepare, (good.prepares[0][:-1] + b"?", *good.prepares[1:]))
    mixed = Prepared(good.pre_prepare, it.prepared(0, 2, LIE).prepares)
    return {
        "signature does not fit": it.view_change(4, 1, forged),
        "without a quorum": it.view_change(4, 1, it.prepared(0, 1, LIE, backups=2)),
        "mixes votes": it.view_change(4, 1, mixed),
        "has not left": it.view_change(4, 1, it.prepared(1, 1, LIE)),
        "out of order or outside": it.view_change(4, 1, it.prepared(0, 99, LIE)),
        "wrong primary": it.view_change(
            4, 1, Prepared(it.pre_prepare(0, 1, LIE, by=4), good.prepares)
        ),
        "checkpoint proof": it.view_change(4, 1, stable=it.stable(8, LIE, voters=3)),
    }


@pytest.mark.parametrize("why", _lies_about_what_was_prepared(Stage()))
def test_a_forged_or_stale_proof_in_a_view_change_is_refused(why: str) -> None:
    """Scenario 15: the lie counts for nothing; the change of view goes on without its teller."""
    stage = Stage(liars=[4])
    lie = Vote(stage.speaker.sign(_lies_about_what_was_prepared(stage)[why]))
    replica = stage.node(1).replica
    assert replica is not None
    *_, last = replica.step(Receive(stage.members.ids[4], encode_packet(lie)))
    assert isinstance(last, Trace)
    assert why in last.refused

    stage.lose(PrePrepare, of=[0])
    stage.say(4, lie)
    stage.ask(1)
    assert stage.decides(1)
    assert set(stage.views()) == {1}
    assert all(stage.speaker.digest(batch) != LIE for batch in stage.checker.canonical.values())


def test_a_new_view_that_drops_what_was_prepared_is_refused_and_proves_the_lie() -> None:
    """Scenario 16: replica 1 leads view 1 and leaves out the batch that the others prepared."""
    stage = Stage(liars=[1])
    stage.lose(Commit)
    stage.ask(1)
    assert stage.run(2000, until=lambda: {0, 2, 3, 4} <= set(stage.view_changes_to(1)))
    frames = tuple(frame for _, frame in sorted(stage.view_changes_to(1).items()))
    lie = stage.speaker.sign(NewView(*stage.speaker.head, 1, 1, frames, ()))

    stage.say(1, Vote(lie))
    assert stage.run(500, until=lambda: bool(stage.accusations))
    assert [stage.accusations[0].kind, stage.proves(stage.accusations[0])] == ["bad-new-view", True]
    stage.rules.clear()

    assert stage.decides(1)
    assert min(stage.views()) >= 2
    assert stage.culprits() == {1}


def test_the_proof_of_the_higher_view_wins_over_an_older_one() -> None:
    """Scenario 17: A prepared at 3 in view 0, B committed at 2 alone in view 1: B it is.

    The script that broke Zyzzyva's view change, for four replicas.
    """
    stage = Stage(4)

    def view_0_ends_unheard(_source: int, target: int, frame: bytes) -> bytes | None:
        message = message_in(frame, stage.speaker)
        old = isinstance(message, (Prepare, Commit)) and message.view == 0
        return None if old and (target != 3 or isinstance(message, Commit)) else frame

    stage.rules.append(view_0_ends_unheard)
    stage.ask(1)
    stage.run(300)
    said = [message_in(frame, stage.speaker) for source, _, frame in stage.posted if source == 3]
    assert any(isinstance(message, Commit) for message in said), "3 prepared A"
    # View 1 begins without 3, which alone has the proof of A.
    stage.lose(of=[3])
    stage.lose(to=[3])
    stage.lose(Commit, to=[0, 1, 3])
    stage.ask(2, at=[0, 1, 2])
    assert stage.run(5000, until=lambda: stage.node(2).head[0] == 1)
    assert stage.node(2).entries[0].view == 1
    assert stage.node(2).entries[0].batch == (*stage.offer(1), *stage.offer(2))
    # Now 3, with A of view 0, is heard again, and the leader of view 1 is not.
    stage.rules.clear()
    stage.crash(stage.node(1))
    stage.ask(3, at=[0, 2, 3])

    assert stage.decides(1, 2, 3)
    assert stage.checker.canonical[1] == (*stage.offer(1), *stage.offer(2))


def test_two_new_views_of_one_view_convict_their_maker_and_split_nobody() -> None:
    """Scenario 18: both follow from quorums of genuine view-changes; both are shown to replica 2."""
    stage = Stage(liars=[1])
    stage.lose(of=[0])
    stage.lose(PrePrepare)
    stage.ask(1)
    stage.run(1200)
    stage.say(1, Vote(stage.speaker.sign(stage.speaker.view_change(1, 1))))
    assert stage.run(3000, until=lambda: {0, 1, 2, 3, 4} <= set(stage.view_changes_to(1)))
    stage.rules.clear()
    frames = [frame for _, frame in sorted(stage.view_changes_to(1).items())]
    for left_out, places in ((0, (0, 2)), (4, (2, 3, 4))):
        kept = tuple(frame for place, frame in enumerate(frames) if place != left_out)
        votes = [stage.speaker.committee.read(frame) for frame in kept]
        plan = select([it for it in votes if isinstance(it, ViewChange)], stage.speaker.committee)
        assert not plan.slots
        message = NewView(*stage.speaker.head, 1, 1, kept, ())
        stage.say(1, Vote(stage.speaker.sign(message)), *places)

    assert stage.run(500, until=lambda: stage.culprits() == {1})
    assert stage.accusations[0].kind == "double-new-view"
    assert stage.decides(1)


def test_one_replica_that_spams_view_changes_moves_nobody() -> None:
    """Scenario 19: views far ahead, every 10 ms; without f + 1 nobody joins."""
    stage = Stage(liars=[4])
    for round_ in range(200):
        message = stage.speaker.view_change(4, 100 + round_)
        frame = stage.speaker.sign(message)
        stage.at(10 * round_, partial(stage.whisper, 4, frame))
    stage.ask(*range(1, 9))

    assert stage.decides(*range(1, 9))
    stage.run(2500)
    assert set(stage.views()) == {0}
    assert not stage.accusations


def test_views_that_duel_across_partitions_end_when_the_network_heals() -> None:
    """Scenario 20: 3 against 2, then 2 against 3, then one network again."""
    stage = Stage()
    ids = stage.members.ids
    for round_, group in enumerate(((0, 1, 2), (0, 1), (2, 3, 0))):
        apart = [place for place in range(5) if place not in group]
        stage.network.cut = {frozenset((ids[a], ids[b])) for a in group for b in apart}
        stage.ask(round_ + 1)
        stage.run(2500)
    assert not stage.checker.canonical

    stage.heal()

    assert stage.decides(1, 2, 3)
    assert len(set(stage.views())) == 1


def test_a_new_leader_that_withholds_the_new_view_is_passed_over() -> None:
    """Scenario 21: with two of seven faulty, view 2 begins when view 1's doubled time is over."""
    stage = Stage(7, 2, liars=[0, 1])
    stage.ask(1)
    assert stage.run(2000, until=lambda: set(stage.views()) == {1})
    waited_from_ms = stage.now_ms

    assert stage.run(5000, until=lambda: set(stage.views()) == {2})
    assert stage.now_ms - waited_from_ms >= stage.settings.view_change_timeout_ms - 100
    assert stage.decides(1)
    assert not stage.accusations
