"""Scenarios 27-36: crashes, lost logs, bad networks, lying helpers, and one traitor too many."""

from functools import partial
from itertools import combinations
from pathlib import Path

import pytest

from engine.consensus.effects import AnyRecord, Tick
from engine.consensus.evidence import conflict
from engine.consensus.messages import Checkpoint, Entries, Fetch, Stable, Status, Vote
from engine.consensus.simulate.members import OPERATOR
from engine.consensus.vote_log import VoteLog
from engine.vocabulary import Entry
from tests.simulate.stage import Stage, Violation, message_in

LIE = bytes([9] * 32)


@pytest.mark.parametrize("seed", range(6))
def test_a_replica_that_crashes_anywhere_and_keeps_its_log_never_signs_twice(seed: int) -> None:
    """Scenario 27: killed between two effects, again and again; the checker compares all votes."""
    stage = Stage(4, seed=seed)
    for round_ in range(20):
        node = stage.random.choice(stage.all_nodes())
        stage.ask(round_ + 1)
        stage.run(stage.random.randrange(40))
        node.die_in(Tick(stage.now_ms), stage.random.randrange(3), tear=0)
        stage.run(stage.random.randrange(80))
        stage.restart(node)

    stage.ask(*range(1, 21))
    assert stage.decides(*range(1, 21))
    assert not stage.accusations


def test_a_torn_last_record_is_as_if_it_had_never_been_written(tmp_path: Path) -> None:
    """Scenario 27: cut at any byte of its last group, the log gives all groups before it."""
    stage = Stage(4)
    stage.ask(1)
    stage.run(300)
    records = stage.node(1).records
    path = tmp_path / "votes"
    log = VoteLog(path)
    sizes = []
    for record in records:
        log.append((record,))
        sizes.append(path.stat().st_size)
    log.close()
    whole = path.read_bytes()

    for end in range(sizes[-2], sizes[-1], 7):
        path.write_bytes(whole[:end])
        torn = VoteLog(path)
        found: tuple[AnyRecord, ...] = torn.records
        torn.close()
        assert list(found) == records[:-1]


@pytest.mark.parametrize("seed", range(6))
def test_a_replica_that_lost_its_log_counts_as_the_faulty_one(seed: int) -> None:
    """Scenario 28: it may contradict itself; the other four agree and go on all the same."""
    stage = Stage(seed=seed, liars=[3], puppets=False)
    forgetful = stage.node(3)
    for round_ in range(20):
        stage.ask(round_ + 1)
        stage.run(stage.random.randrange(60))
        stage.crash(forgetful)
        forgetful.records = []
        stage.restart(forgetful)

    assert stage.decides(*range(1, 21))
    assert stage.culprits() <= {3}


def test_crashes_that_roll_through_the_cluster_stop_nothing() -> None:
    """Scenario 29: two of seven are down at any time, never the same two for long."""
    stage = Stage(7, 2)
    for place in range(7):
        counter = place + 1
        down = [stage.node(place), stage.node((place + 1) % 7)]
        for node in down:
            stage.crash(node)
        stage.ask(counter, at=[(place + 2) % 7, (place + 3) % 7])
        assert stage.decides(counter), f"{place} and the next are down"
        for node in down:
            stage.restart(node)
        assert stage.decides(*range(1, counter + 1))


@pytest.mark.parametrize("direction", ["can only send", "can only hear"])
def test_a_leader_cut_off_in_one_direction_is_replaced(direction: str) -> None:
    """Scenario 30: whichever half of its link is dead."""
    stage = Stage()
    if direction == "can only send":
        stage.lose(to=[0])
    else:
        stage.lose(of=[0])
    stage.ask(1)

    assert stage.run(
        10_000,
        until=lambda: all((OPERATOR, 1) in stage.orders(stage.node(it)) for it in (1, 2, 3, 4)),
    )
    stage.heal()
    stage.ask(2)
    assert stage.decides(1, 2)
    assert not stage.accusations


def test_links_that_flap_delay_but_do_not_divide() -> None:
    """Scenario 30: every 150 ms other links are down, in one direction each."""
    stage = Stage(seed=30)
    down: set[tuple[int, int]] = set()
    stage.rules.append(lambda source, target, frame: None if (source, target) in down else frame)
    links = [(a, b) for a in range(5) for b in range(5) if a != b]
    for round_ in range(40):
        down = set(stage.random.sample(links, 8))
        stage.ask(round_ + 1)
        stage.run(150)

    stage.heal()
    assert stage.decides(*range(1, 41))
    assert not stage.accusations


def test_an_adversary_that_always_delays_the_leader_breaks_nothing_and_stops_progress() -> None:
    """Scenario 31 (HoneyBadger): the limit of PBFT. Safe for ever, live after it ends."""
    stage = Stage()

    def hold(source: int, _target: int, _frame: bytes) -> int:
        leads = any(view % 5 == source for view in stage.views())
        return 60_000 if leads else 0

    stage.lag = hold
    stage.ask(1)
    stage.run(20_000)
    assert not stage.checker.canonical
    assert min(stage.views()) >= 3

    stage.heal()
    assert stage.decides(1, within_ms=90_000)


def test_a_replica_that_was_away_takes_no_state_from_a_liar() -> None:
    """Scenario 32: it asks the liar too, refuses what that has, and asks the next."""
    stage = Stage(7, 2, liars=[6])
    late = stage.node(3)
    stage.crash(late)
    for counter in range(1, 31):
        stage.at(20 * counter, partial(stage.ask, counter))
    assert stage.decides(*range(1, 31))
    assert stage.node(0).head[0] > stage.settings.window

    genuine = stage.node(0).entries
    forged = tuple(
        Entry(it.sequence_number, it.view, (stage.members.submission(99),), it.commits)
        for it in genuine[:8]
    )
    stage.restart(late)
    for round_ in range(20):
        boast = Status(*stage.speaker.head, 6, 0, True, 1000 + round_, LIE, 0)
        stage.say(6, Vote(stage.speaker.sign(boast)), 3)
        stage.say(6, Entries(forged), 3)
        stage.say(6, Stable(stage.speaker.stable(8, LIE, voters=4)), 3)
        stage.run(100)

    assert stage.decides(*range(1, 31))
    assert late.head == stage.node(0).head
    asked = {
        target
        for source, target, frame in stage.posted
        if source == 3 and isinstance(message_in(frame, stage.speaker), Fetch)
    }
    assert 6 in asked
    assert asked - {6}


def test_a_wrong_checkpoint_stops_no_other_and_two_are_proof() -> None:
    """Scenario 33: replica 4 signs one digest for some and another for the rest."""
    stage = Stage(liars=[4])
    for chain in (LIE, bytes([8] * 32)):
        stage.say(4, Vote(stage.speaker.sign(Checkpoint(*stage.speaker.head, 4, 8, chain))))
    for counter in range(1, 13):
        stage.at(30 * counter, partial(stage.ask, counter))

    assert stage.decides(*range(1, 13))
    assert stage.node(0).head[0] >= 8
    stage.run(3000)
    said = [message_in(frame, stage.speaker) for _, _, frame in stage.posted]
    assert max(it.stable for it in said if isinstance(it, Status)) == 8
    assert stage.culprits() == {4}
    assert stage.accusations[0].kind == "double-checkpoint"


def test_one_traitor_too_many_is_noticed_and_two_are_named() -> None:
    """Scenario 34: beyond the model; the ledgers themselves convict f + 1."""
    stage = Stage(4, 1, liars=[0, 1])
    batches = {2: stage.offer(1), 3: stage.offer(2)}
    for honest, batch in batches.items():
        digest = stage.speaker.digest(batch)
        stage.say(0, stage.proposal(batch), honest)
        stage.say(1, Vote(stage.speaker.prepare(1, 0, 1, digest)), honest)
        for liar in (0, 1):
            stage.say(liar, stage.commit(liar, batch), honest)
    stage.network.cut = {frozenset((stage.members.ids[2], stage.members.ids[3]))}

    with pytest.raises(Violation, match="agreement"):
        stage.run(2000)

    entries = stage.diverging()
    assert len({entry.batch for entry in entries}) == 2
    named = {
        found.culprit
        for one, other in combinations([frame for it in entries for frame in it.commits], 2)
        if (found := conflict(one, other, stage.speaker.committee)) and stage.proves(found)
    }
    assert named == {"agent-0", "agent-1"}


@pytest.mark.parametrize("quorum", [3, 4])
def test_a_quorum_of_three_of_five_is_broken_by_one_traitor(quorum: int) -> None:
    """Scenario 36: three splits here, four does not; the other mutants have a file of their own."""
    stage = Stage(liars=[0], quorum=quorum)
    ids = stage.members.ids
    stage.network.cut = {frozenset((ids[a], ids[b])) for a in (1, 2) for b in (3, 4)}
    for group, counter in (((1, 2), 1), ((3, 4), 2)):
        batch = stage.offer(counter)
        stage.say(0, stage.proposal(batch), *group)
        stage.say(0, stage.commit(0, batch), *group)

    broken = False
    try:
        stage.run(2000)
    except Violation as violation:
        broken = "agreement" in str(violation)

    assert broken is (quorum == 3)
    assert broken or not stage.checker.canonical


def test_four_of_five_go_on_after_a_conviction_and_stop_without_one_more() -> None:
    """Scenario 35: a conviction shrinks no quorum: the fifth crash halts safely, until its return."""
    stage = Stage(liars=[4])
    for counter in (1, 2):
        digest = stage.speaker.digest(stage.offer(counter))
        stage.say(4, Vote(stage.speaker.prepare(4, 0, 1, digest)), 0, 1, 2, 3)
    assert stage.run(500, until=lambda: bool(stage.accusations))
    stage.submit(stage.conviction(stage.accusations[0], by=1))
    stage.ask(1)
    assert stage.decides(1)

    stage.crash(stage.node(3))
    executed = [node.head for node in stage.honest()]
    stage.ask(2, at=[0, 1, 2])
    stage.run(5000)
    assert [node.head for node in stage.honest()] == executed

    stage.restart(stage.node(3))
    assert stage.decides(1, 2)
