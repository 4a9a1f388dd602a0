"""The attacks that consensus exists for, one by one, in the simulator."""

from functools import partial

import pytest

from engine.codec import encode
from engine.consensus.effects import Receive, Tick, Voted
from engine.consensus.evidence import subject_of
from engine.consensus.messages import Commit, Prepare, PrePrepare, Proposal, Vote, encode_packet
from engine.consensus.simulate.checker import Violation
from engine.consensus.simulate.cluster import Cluster, Node
from engine.consensus.simulate.members import OPERATOR
from engine.consensus.simulate.storm import Storm
from tests.unit.consensus.speaking import Speaker

CUT = [frozenset((f"agent-{a}", f"agent-{b}")) for a in (1, 2) for b in (3, 4)]


def _split_brain(quorum: int | None) -> tuple[Cluster, Node]:
    """Replica 0 leads and signs two histories: one for agents 1 and 2, one for 3 and 4."""
    cluster = Cluster(5, 1, seed=1, quorum=quorum)
    liar = cluster.nodes[cluster.members.ids[0]][0]
    liar.replica = None
    cluster.checker.byzantine.add(liar.agent)
    cluster.sides = dict.fromkeys(cluster.members.ids, liar.side)
    cluster.network.cut = {*CUT}  # type: ignore[arg-type]
    speaker = Speaker()
    for counter, group in ((1, (1, 2)), (2, (3, 4))):
        submission = cluster.members.submission(counter)
        cluster.checker.submitted.add(submission)
        digest = speaker.digest((submission,))
        lies = (
            Proposal(speaker.pre_prepare(0, 1, digest), (submission,)),
            Vote(speaker.sign(Commit(*speaker.head, 0, 0, 1, digest))),
        )
        for place in group:
            for lie in lies:
                cluster.post(liar, cluster.members.ids[place], encode_packet(lie))
    return cluster, liar


def test_a_quorum_of_three_of_five_lets_one_traitor_split_the_honest() -> None:
    with pytest.raises(Violation, match="agreement"):
        _split_brain(quorum=3)[0].run(2000)


def test_the_right_quorum_holds_and_the_traitor_is_convicted_once_the_honest_can_talk() -> None:
    cluster, liar = _split_brain(quorum=None)
    cluster.run(500)
    assert not cluster.checker.canonical

    cluster.network.cut.clear()

    assert cluster.run(20_000, until=lambda: liar.agent in cluster.checker.convicted)
    cluster.submit(cluster.members.submission(3))
    assert cluster.run(20_000, until=lambda: (OPERATOR, 3) in cluster.checker.counted())


@pytest.mark.parametrize("n", [4, 5, 7])
def test_when_the_primary_is_killed_the_next_view_goes_on(n: int) -> None:
    cluster = Cluster(n, (n - 1) // 3, seed=n)
    cluster.submit(cluster.members.submission(1))
    assert cluster.run(1000, until=lambda: (OPERATOR, 1) in cluster.checker.counted())

    cluster.crash(cluster.nodes[cluster.members.ids[0]][0])
    started_ms = cluster.now_ms
    cluster.submit(cluster.members.submission(2))

    assert cluster.run(3000, until=lambda: (OPERATOR, 2) in cluster.checker.counted())
    assert cluster.now_ms - started_ms < 1500
    views = {node.replica.view for node in cluster.honest() if node.replica is not None}
    assert views == {1}


@pytest.mark.parametrize("seed", range(20))
def test_a_replica_killed_between_any_two_effects_never_signs_a_second_vote(seed: int) -> None:
    cluster = Cluster(4, 1, seed)
    for round_ in range(30):
        node = cluster.random.choice(cluster.all_nodes())
        submission = cluster.members.submission(round_ + 1)
        cluster.checker.submitted.add(submission)
        cluster.submit(submission)
        cluster.run(cluster.random.randrange(40))
        node.die_in(Tick(cluster.now_ms), cluster.random.randrange(3), tear=0)
        cluster.run(cluster.random.randrange(80))
        cluster.restart(node)

    cluster.heal()
    cluster.submit(cluster.members.submission(100))
    assert cluster.run(30_000, until=lambda: (OPERATOR, 100) in cluster.checker.counted())


def test_a_restarted_replica_repeats_its_vote_instead_of_making_another() -> None:
    cluster = Cluster(4, 1, seed=3)
    node = cluster.nodes[cluster.members.ids[1]][0]
    speaker = Speaker(4, 1)
    offers = [cluster.members.submission(counter) for counter in (1, 2)]
    cluster.checker.submitted.update(offers)
    cluster.checker.byzantine.add(cluster.members.ids[0])
    node.step(Tick(cluster.now_ms))

    for submission in offers:
        header = speaker.pre_prepare(0, 1, speaker.digest((submission,)))
        proposal = encode(Proposal(header, (submission,)))
        node.step(Receive(cluster.members.ids[0], proposal))
        cluster.crash(node)
        cluster.restart(node)
        node.step(Tick(cluster.now_ms))

    votes = [speaker.committee.read(it.frame) for it in node.records if isinstance(it, Voted)]
    assert [subject_of(vote) for vote in votes] == [("prepare", 0, 1)]
    assert isinstance(votes[0], Prepare)
    assert votes[0].digest == speaker.digest((offers[0],))


def test_a_forged_vote_accuses_nobody() -> None:
    cluster = Cluster(4, 1, seed=4)
    node = cluster.nodes[cluster.members.ids[1]][0]
    speaker = Speaker(4, 1)
    digests = (bytes([1] * 32), bytes([2] * 32))
    for digest in digests:
        genuine = speaker.prepare(2, 0, 1, digest)
        node.step(Receive(cluster.members.ids[3], genuine[:-1] + b"?"))
        node.step(Receive(cluster.members.ids[2], genuine[:-1] + b"?"))

    assert not cluster.checker.convicted


def test_a_submission_that_reached_one_replica_only_is_ordered_once() -> None:
    cluster = Cluster(5, 1, seed=5)
    submission = cluster.members.submission(1)

    cluster.submit(submission, [cluster.nodes[cluster.members.ids[3]][0]])
    assert cluster.run(2000, until=lambda: len(cluster.checker.counted()) == 1)
    cluster.submit(submission)
    cluster.run(1000)

    assert sum(map(len, cluster.checker.canonical.values())) == 1


def test_a_replica_cut_off_over_many_checkpoints_catches_up_and_votes_again() -> None:
    cluster = Cluster(4, 1, seed=6)
    late = cluster.nodes[cluster.members.ids[3]][0]
    cluster.crash(late)
    for counter in range(1, 121):
        cluster.at(20 * counter, partial(cluster.submit, cluster.members.submission(counter)))
    cluster.run(4000, until=lambda: len(cluster.checker.counted()) == 120)

    cluster.restart(late)
    reference = cluster.nodes[cluster.members.ids[1]][0]
    assert cluster.run(5000, until=lambda: late.head == reference.head)
    cluster.crash(cluster.nodes[cluster.members.ids[1]][0])
    cluster.submit(cluster.members.submission(500))

    assert cluster.run(5000, until=lambda: (OPERATOR, 500) in cluster.checker.counted())


def test_one_seed_gives_one_history() -> None:
    first, second = (Storm(5, 1, 77).run() for _ in range(2))

    assert first.checker.canonical == second.checker.canonical
    assert first.now_ms == second.now_ms


def test_a_header_alone_is_enough_to_convict() -> None:
    speaker = Speaker()
    cluster = Cluster(5, 1, seed=8)
    node = cluster.nodes[cluster.members.ids[1]][0]
    liar = cluster.members.ids[0]
    cluster.checker.byzantine.add(liar)
    submission = cluster.members.submission(1)
    first = speaker.pre_prepare(0, 1, speaker.digest((submission,)))
    second = speaker.sign(PrePrepare(*speaker.head, 0, 0, 1, bytes(32)))

    node.step(Receive(liar, encode(Proposal(first, (submission,)))))
    node.step(Receive(cluster.members.ids[2], second))

    assert cluster.checker.convicted == {liar}
