"""Scenarios 22-26: what is said twice, said elsewhere, half signed, or no message at all."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.codec import encode
from engine.consensus.effects import Acknowledge, Receive, Submit, Trace
from engine.consensus.messages import Ordered, Relay
from engine.consensus.simulate.members import OPERATOR
from engine.signing import Domain
from engine.vocabulary import CommandId, Frozen, Signed, Submission
from tests.simulate.stage import Stage
from tests.unit.consensus.speaking import Speaker


def test_what_was_said_in_another_view_or_cluster_is_dropped() -> None:
    """Scenario 22: a recorded conversation, said again to a later view and to another cluster."""
    stage = Stage()
    stage.ask(1)
    assert stage.decides(1)
    recorded = list(dict.fromkeys((source, frame) for source, _, frame in stage.posted))
    stage.lose(of=[0])
    stage.ask(2)
    assert stage.run(5000, until=lambda: set(stage.views()[1:]) == {1})
    before = [node.head for node in stage.honest()]
    stranger = Stage(seed=5)
    foreign = Speaker(name="other")
    vote = foreign.prepare(2, 0, 1, bytes(32))

    refusals = set()
    for source, frame in recorded:
        for node in stage.honest()[1:]:
            assert node.replica is not None
            *_, last = node.replica.step(Receive(stage.members.ids[source], frame))
            assert isinstance(last, Trace)
            refusals.add(last.refused)
    replica = stranger.node(1).replica
    assert replica is not None
    *_, last = replica.step(Receive(stranger.members.ids[2], vote))

    assert isinstance(last, Trace)
    assert last.refused == "of another cluster"
    assert "of an old view" in refusals
    assert [node.head for node in stage.honest()] == before
    assert not stage.accusations


def test_a_submission_said_to_many_and_again_after_a_view_change_is_executed_once() -> None:
    """Scenario 23: whoever asks again is told where it stands."""
    stage = Stage()
    stage.ask(1)
    assert stage.decides(1)
    stage.crash(stage.node(0))
    stage.ask(1, 2, at=[1, 2, 3, 4])
    assert stage.decides(1, 2)

    again = stage.node(3).replica
    assert again is not None
    effects = again.step(Submit(stage.members.submission(1)))

    told = [stage.speaker.committee.open(it.frame) for it in effects if isinstance(it, Acknowledge)]
    assert [it.submissions for it in told if isinstance(it, Ordered)] == [((OPERATOR, 1),)]
    assert [it.sequence_number for it in told if isinstance(it, Ordered)] == [1]
    assert stage.orders(stage.node(3)).count((OPERATOR, 1)) == 1


def _second_meaning(stage: Stage, counter: int) -> bytes:
    genesis = stage.members.genesis
    operation = Frozen(CommandId("something else"))
    payload = encode(Submission(genesis.cluster, genesis.epoch, OPERATOR, counter, (operation,)))
    frame = encode(Signed(payload, stage.members.operator.sign(Domain.SUBMISSION, payload)))
    stage.checker.submitted.add(frame)
    return frame


def test_of_two_submissions_with_one_counter_the_same_one_counts_everywhere() -> None:
    """Scenario 24: an author tells some replicas one thing and the others another."""
    stage = Stage()
    stage.ask(1, at=[0, 1])
    stage.submit(_second_meaning(stage, 1), [stage.node(place) for place in (2, 3, 4)])
    stage.ask(2)
    assert stage.decides(1, 2)
    stage.run(3000)

    ledgers = [stage.orders(node) for node in stage.honest()]
    assert all(ledger == ledgers[0] for ledger in ledgers)
    assert stage.checker.counted().count((OPERATOR, 1)) == 1


def test_a_signature_is_good_for_all_replicas_or_for_none() -> None:
    """Scenario 25 (Aardvark's big MAC): there is no authenticator that only some accept."""
    stage = Stage()
    genuine = stage.members.submission(1)
    forged = genuine[:-1] + bytes([genuine[-1] ^ 1])
    refused = []
    for node in stage.honest():
        assert node.replica is not None
        effects = node.replica.step(Submit(forged))
        refused += [it.refused for it in effects if isinstance(it, Trace)]
    assert refused == ["signature of the submission does not fit"] * 5
    stage.run(2000)
    assert set(stage.views()) == {0}

    stage.ask(1)
    assert stage.decides(1)


def _spoken() -> list[bytes]:
    """Frames of every kind, as a cluster with a view change says them."""
    stage = Stage(4)
    stage.ask(*range(1, 40))
    stage.run(300)
    stage.crash(stage.node(0))
    stage.ask(50, at=[1, 2, 3])
    stage.run(2500)
    kinds: dict[tuple[int, bytes], bytes] = {}
    for _, _, frame in stage.posted:
        kinds.setdefault((len(frame) // 64, frame[:12]), frame)
    kinds.setdefault((0, b"relay"), encode(Relay((stage.members.submission(60),))))
    return list(kinds.values())


CORPUS = _spoken()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_bytes_make_a_replica_fail(data: st.DataObject) -> None:
    """Scenario 26: fuzzed, spliced, nested and oversized frames; the replica still serves."""
    stage = Stage(4)
    replica = stage.node(1).replica
    assert replica is not None
    for _ in range(8):
        frame = bytearray(data.draw(st.sampled_from(CORPUS)))
        for _ in range(data.draw(st.integers(0, 3))):
            frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
        tail = data.draw(st.sampled_from([b"", b"\x91" * 2000, b"\xdd\xff\xff\xff\xff"]))
        cut = data.draw(st.integers(0, len(frame)))
        garbage = data.draw(st.sampled_from([bytes(frame), bytes(frame[:cut]) + tail]))
        peer = data.draw(st.sampled_from(stage.members.ids))
        replica.step(Receive(peer, garbage))
        replica.step(Submit(garbage))

    assert replica.executed == 0


def test_a_frame_beyond_the_limit_is_refused_unread() -> None:
    """Scenario 26: 2 MiB of nesting cost nothing but their reading."""
    stage = Stage(4)
    replica = stage.node(1).replica
    assert replica is not None
    bomb = b"\x91" * (2 << 20)
    noise = random.Random(26).randbytes(1000)

    for frame in (bomb, noise):
        *_, last = replica.step(Receive(stage.members.ids[2], frame))
        assert isinstance(last, Trace)
        assert last.refused
