"""Membership changes: the boundary, what crosses it and what may not, and who comes back."""

from functools import partial

import pytest

from engine.charter import Charter
from engine.codec import encode
from engine.consensus.charter_proof import succeeding
from engine.consensus.committee import Committee, Refused
from engine.consensus.effects import Began, Event, Receive, Trace
from engine.consensus.messages import Checkpoint, Stable, StableCheckpoint, Vote
from engine.consensus.simulate.node import Node
from tests.simulate.stage import Stage, message_in


def last_refusal(node: Node, peer: int, frame: bytes, stage: Stage) -> str:
    """Why a replica takes a frame from ``peer`` for nothing; empty when it takes it."""
    assert node.replica is not None
    effects = node.replica.step(Receive(stage.members.ids[peer], frame))
    return next(it.refused for it in effects if isinstance(it, Trace) and it.refused)


def refusal_of(began: Began, committee: Committee) -> str:
    """Why a charter is not believed; empty when it is."""
    try:
        succeeding(began, committee)
    except Refused as error:
        return str(error)
    return ""


def convicted_stage() -> Stage:
    """Replica 4 has voted for two batches, and the log convicts it."""
    stage = Stage(liars=[4])
    for counter in (1, 2):
        digest = stage.speaker.digest(stage.offer(counter))
        stage.say(4, Vote(stage.speaker.prepare(4, 0, 1, digest)), 0, 1, 2, 3)
    assert stage.run(500, until=lambda: bool(stage.accusations))
    stage.submit(stage.conviction(stage.accusations[0], by=1))
    stage.ask(1)
    assert stage.decides(1)
    return stage


def test_a_new_key_for_the_convicted_restores_the_fault_budget() -> None:
    """Scenario 35, and after it: four are left without slack; with the fifth back one may crash."""
    stage = convicted_stage()
    council = stage.checker.law.council
    assert council.convicted == {"agent-4"}

    successor = stage.replace(4)

    assert stage.reaches(1)
    assert not council.convicted
    assert successor.honest
    stage.crash(stage.node(3))
    stage.ask(2)
    assert stage.decides(2)


def test_an_epoch_ends_without_any_traffic_but_null_batches() -> None:
    """The primary fills up to the boundary, which is a whole window above the order."""
    stage = Stage()
    stage.replace(2)

    assert stage.reaches(1)
    (charter,) = stage.checker.law.epochs.constitutions[1:]
    replicas = [node.replica for node in stage.honest()]
    assert [it.constitution for it in replicas if it is not None] == [charter] * 5
    ordered = next(number for number, batch in stage.checker.canonical.items() if batch)
    assert charter.base[0] == ordered + 2 * 8 + -ordered % 8
    assert not any(stage.checker.canonical[number] for number in range(ordered + 1, 25))


def test_an_epoch_ends_although_its_primary_dies_while_filling_it() -> None:
    stage = Stage()
    stage.replace(2)
    assert stage.run(3000, until=lambda: stage.checker.law.epochs.boundary is not None)
    stage.crash(stage.node(0))

    assert stage.reaches(1)
    stage.ask(1)
    assert stage.decides(1)


def test_what_was_said_in_an_older_epoch_is_dropped_and_accuses_nobody() -> None:
    """Scenario 22, the other epoch: everything that was said before the boundary, said again."""
    stage = Stage()
    stage.ask(1)
    stage.replace(4)
    assert stage.reaches(1)
    recorded = list(dict.fromkeys((source, frame) for source, _, frame in stage.posted))
    old = [(source, frame) for source, frame in recorded if b"pre-prepare" in frame[:200]]
    stage.ask(2)
    assert stage.decides(2)
    before = [node.head for node in stage.honest()]

    refusals = {
        last_refusal(node, source, frame, stage)
        for source, frame in old
        for node in stage.honest()
        if stage.place(node.agent) != source
    }

    assert refusals == {"of another epoch"} | ({"of an old view"} & refusals)
    assert [node.head for node in stage.honest()] == before
    assert not stage.accusations


def test_the_replaced_key_counts_for_nothing_in_the_new_epoch() -> None:
    stage = Stage()
    stage.replace(4)
    assert stage.reaches(1)
    newest = stage.checker.law.epochs.committee
    vote = Checkpoint(newest.cluster, 1, 4, 32, bytes(32))

    for signer, wanted in (
        (stage.members.signers[stage.members.ids[4]], "signature does not fit"),
        (stage.node(4).signer, ""),
    ):
        frame = newest.sign(signer, vote)
        replica = stage.node(1).replica
        assert replica is not None
        effects = replica.step(Receive(stage.members.ids[4], frame))
        assert {it.refused for it in effects if isinstance(it, Trace)} == {wanted}


def test_the_replaced_machine_learns_it_and_takes_no_further_part() -> None:
    stage = Stage()
    old = stage.node(4)
    stage.replace(4)
    assert stage.reaches(1)

    assert stage.run(8000, until=lambda: old.replica is not None and old.replica.retired)
    assert old.replica is not None
    assert (old.replica.phase, old.replica.ready) == ("retired", False)


@pytest.mark.parametrize("signers", [1, 2, 3])
def test_a_hand_over_that_too_few_signed_moves_nobody(signers: int) -> None:
    """f liars, and even all who are short of a quorum, cannot begin an epoch."""
    stage = Stage(liars=[4])
    stage.replace(2)
    epochs = stage.checker.law.epochs
    assert stage.run(3000, until=lambda: epochs.boundary is not None)
    boundary = epochs.boundary
    assert boundary is not None
    forged = StableCheckpoint(
        boundary, bytes(32), stage.speaker.stable(boundary, bytes(32), voters=signers).proof
    )

    refused = last_refusal(stage.node(1), 4, encode(Stable(forged)), stage)

    assert refused == "checkpoint proof without a quorum"
    assert stage.reaches(1)


def test_a_charter_is_believed_with_a_quorum_of_the_old_epoch_and_nothing_less() -> None:
    stage = Stage()
    stage.replace(3)
    assert stage.reaches(1)
    founding = Committee(stage.members.genesis, stage.members.verifier)
    replica = stage.node(0).replica
    assert replica is not None
    began = replica.handover
    assert began is not None
    charter = began.charter
    stolen = Charter(
        **{name: getattr(charter, name) for name in charter.__struct_fields__ if name != "agents"},
        agents=(charter.agents[0], *charter.agents[2:], charter.agents[1]),
    )

    assert succeeding(began, founding).genesis == charter
    attempts = (
        (Began(charter, began.proof[:3]), founding),
        (Began(charter, (*began.proof[:3], began.proof[0])), founding),
        (Began(stolen, began.proof), founding),
        (Began(charter, ()), founding),
        (began, succeeding(began, founding)),
    )
    assert [refusal_of(*attempt) for attempt in attempts] == [
        "checkpoint proof without a quorum",
        "checkpoint proof without a quorum",
        "checkpoint proof is for another checkpoint",
        "checkpoint proof without a quorum",
        "charter of another cluster, or not of the next epoch",
    ]


def test_who_was_away_for_two_epochs_catches_up_through_both() -> None:
    """Its peers have forgotten the first hand-over; the entries themselves carry it across."""
    stage = Stage()
    stage.ask(1)
    assert stage.decides(1)
    away = stage.node(3)
    stage.crash(away)
    stage.replace(4)
    assert stage.reaches(1)
    stage.replace(2, counter=501)
    assert stage.reaches(2)
    stage.ask(2)
    assert stage.decides(2)
    for node in stage.honest():
        if node is not away:
            # From disk each of them knows the newest hand-over only.
            stage.crash(node)
            stage.restart(node)

    stage.restart(away)

    assert stage.decides(2)
    assert stage.reaches(2)


@pytest.mark.parametrize("crash_after", range(10))
def test_a_crash_anywhere_at_the_boundary_leaves_a_replica_that_goes_on(crash_after: int) -> None:
    """Between execution, checkpoint, hand-over and the new vote log: each leaves a stated state."""
    stage = Stage()
    victim = stage.node(1)
    step = victim.step
    crashed: list[int] = []

    def dying(event: Event, sent_ms: int = 0) -> None:
        last = stage.checker.law.epochs.boundary
        near = last is not None and victim.head[0] >= last - 1
        if near and not crashed:
            crashed.append(victim.head[0])
            victim.die_in(event, crash_after, tear=0.5)
            stage.at(300, partial(stage.restart, victim))
        else:
            step(event, sent_ms)

    victim.step = dying  # type: ignore[method-assign]
    stage.replace(4)

    assert stage.reaches(1)
    assert crashed
    stage.ask(1)
    assert stage.decides(1)


def test_who_lost_its_votes_and_its_ledger_comes_back_under_a_new_key_only() -> None:
    stage = Stage()
    stage.ask(1)
    assert stage.decides(1)
    lost = stage.node(3)
    lost.lost = True
    stage.crash(lost)
    stage.restart(lost)
    assert lost.replica is None

    stage.replace(3)

    assert stage.reaches(1)
    stage.crash(stage.node(0))
    stage.ask(2)
    assert stage.decides(2)


def test_two_agents_are_replaced_by_one_epoch() -> None:
    stage = Stage(7, 2)
    stage.replace(1, counter=500)
    stage.replace(5, counter=501)

    assert stage.reaches(1)
    keys = stage.checker.law.epochs.constitution.agent_keys()
    assert [keys[it] == stage.members.genesis.agent_keys()[it] for it in stage.members.ids] == [
        True, False, True, True, True, False, True,
    ]  # fmt: skip
    stage.ask(1)
    assert stage.decides(1)


def test_no_replica_leaves_an_epoch_that_no_quorum_has_settled() -> None:
    """While CHECKPOINTs are lost, all wait at the boundary; then the epoch goes on."""
    stage = Stage()

    def settling(_source: int, _target: int, frame: bytes) -> bytes | None:
        message = message_in(frame, stage.speaker)
        lost = isinstance(message, Checkpoint) and message.sequence_number == 24
        return None if lost else frame

    stage.rules.append(settling)
    stage.replace(4)
    epochs = stage.checker.law.epochs
    assert stage.run(9000, until=lambda: epochs.constitution.epoch == 1)
    stage.run(3000)
    voting = [stage.node(place).replica for place in range(4)]
    assert {it.epoch for it in voting if it is not None} == {0}

    stage.heal()

    assert stage.reaches(1)
