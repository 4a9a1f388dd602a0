"""The engine's door for operators, and which generation of an agent is started from its disk."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from engine.agents.successor import new_key
from engine.charter import Charter
from engine.clock import SystemClock
from engine.codec import Malformed, encode
from engine.consensus.vote_log import VotesDamaged
from engine.genesis import Genesis
from engine.ledger.replay import Replay
from engine.paths import RunPaths
from engine.policy import Handover, Limits, Rules
from engine.replacing import Replacements, agent_children
from engine.signing import Domain
from engine.standing import in_office, publish_claim, read_claim
from engine.supervisor import Child, ProcessState, Supervisor
from engine.vocabulary import AgentId, AuthorId, Convicted, Frozen, Submission
from engine.wish import (
    OrderGiven,
    PolicyStanding,
    PolicyWanted,
    Standing,
    StandingWanted,
    SuccessorWanted,
    Wish,
    read_wish,
    signed_wish,
)
from tests.court import AGENTS, COMMUNICATION, DETECTION, OPERATOR, VERIFIER, Court, signer_of
from tests.unit.ledger.chronicle import Chronicle
from tests.until import until

NOW_MS = SystemClock().unix_ms()


class Startless(Supervisor):
    """Keeps account of what it is asked to run."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), lambda _states: None)
        self.added: list[Child] = []
        self.retired: list[str] = []

    async def retire(self, name: str) -> None:
        self.retired.append(name)

    def add(self, child: Child) -> None:
        self.added.append(child)
        self._children[child.name] = child

    @property
    def states(self) -> list[ProcessState]:
        return [ProcessState(child.name, 1, 0) for child in self._children.values()]


class Door:
    """The engine's side, without an engine."""

    def __init__(self, folder: Path, court: Court) -> None:
        self.court = court
        self.paths = RunPaths(folder).make()
        self.supervisor = Startless()
        self.relayed: list[Submission] = []
        self.replay = Replay(court.council)
        self.replacements = Replacements(
            self.paths, self.replay, VERIFIER, self.supervisor, SystemClock(), self._relay
        )

    def _relay(self, submission: Submission, _payload: bytes) -> str:
        self.relayed.append(submission)
        return ""

    def wish(self, wish: Wish, by: AuthorId = OPERATOR) -> str:
        return self.replacements.answer(signed_wish(wish, signer_of(by)))

    def who(self, at_ms: int | None = None) -> tuple[bytes, AuthorId, int]:
        return (
            self.court.genesis.cluster,
            OPERATOR,
            SystemClock().unix_ms() if at_ms is None else at_ms,
        )


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path, Court(convict=lambda *_: True))


def test_a_successor_is_started_once_however_often_it_is_wished_for(door: Door) -> None:
    wish = SuccessorWanted(*door.who(), COMMUNICATION)  # type: ignore[arg-type]

    answers = {door.wish(wish) for _ in range(3)}

    assert answers == {'{"generation":1}'}
    (child,) = door.supervisor.added
    assert child.argv[-4:] == ["--id", "communication-1", "--generation", "1"]


@pytest.mark.parametrize(
    ("change", "by", "why"),
    [
        ({"agent": AgentId(AuthorId("nobody-1"))}, OPERATOR, "no agent 'nobody-1' in this swarm"),
        ({"at_ms": 1}, OPERATOR, "too old"),
        ({"cluster": b"x" * 32}, OPERATOR, "not of an operator of this cluster"),
        ({"operator": AuthorId(DETECTION)}, DETECTION, "not of an operator of this cluster"),
        ({}, DETECTION, "the signature does not verify"),
    ],
)
def test_a_wish_that_is_not_granted_says_why(
    door: Door, change: dict[str, object], by: AuthorId, why: str
) -> None:
    wish = SuccessorWanted(*door.who(), COMMUNICATION)  # type: ignore[arg-type]

    answer = door.wish(msgspec.structs.replace(wish, **change), by)

    assert answer.startswith("refused: ")
    assert why in answer
    assert not door.supervisor.added


@pytest.mark.parametrize("raw", [b"", b"x" * 10, b"\x92\xc4\x00\xc4\x00", bytes(200)])
def test_bytes_that_are_no_wish_are_refused(door: Door, raw: bytes) -> None:
    assert door.replacements.answer(raw).startswith("refused: ")


def test_nobody_is_replaced_where_more_than_f_are_proven_to_lie(door: Door) -> None:
    for culprit in AGENTS[1:3]:
        door.court.say(DETECTION, Convicted(culprit, "double-commit", b"1", b"2"))

    answer = door.wish(SuccessorWanted(*door.who(), COMMUNICATION))  # type: ignore[arg-type]

    assert "more than 1 agents are proven to lie" in answer


def test_an_order_goes_on_its_way_only_as_the_operators_own(door: Door) -> None:
    _, own = door.court.sign(OPERATOR, door.court.replaced(COMMUNICATION))
    _, other = door.court.sign(DETECTION, Frozen(door.court.command()))

    assert door.wish(OrderGiven(*door.who(), own)) == "{}"  # type: ignore[arg-type]
    assert "not the operator's own" in door.wish(OrderGiven(*door.who(), other))  # type: ignore[arg-type]
    assert [it.author for it in door.relayed] == [OPERATOR]


def test_the_standing_tells_what_is_ordered_and_what_was_not_counted(door: Door) -> None:
    def standing() -> Standing:
        answer = door.wish(StandingWanted(*door.who(), COMMUNICATION))  # type: ignore[arg-type]
        return msgspec.json.decode(answer, type=Standing)

    bad = msgspec.structs.replace(door.court.replaced(COMMUNICATION), claim=bytes(64))
    door.replacements.followed(door.court.say(OPERATOR, bad))
    assert standing().objection == "nobody proves to hold this key"
    change = door.court.replaced(COMMUNICATION)
    door.replacements.followed(door.court.say(OPERATOR, change))

    found = standing()

    assert (found.objection, found.pending_key, found.epoch) == ("", change.public_key, 0)


def test_the_standing_of_the_policy_tells_what_counts_what_is_ordered_and_what_was_not_counted(
    door: Door,
) -> None:
    court, wanted = door.court, Rules(limits=Limits(attempts=2))

    def standing() -> PolicyStanding:
        answer = door.wish(PolicyWanted(*door.who()))  # type: ignore[arg-type]
        return msgspec.json.decode(answer, type=PolicyStanding)

    assert standing().rules == court.rules
    assert (standing().since_epoch, standing().since_entry, standing().pending) == (0, 1, None)
    again = court.configured(court.rules)
    door.replacements.followed(court.say(OPERATOR, again))
    found = standing()
    assert (found.answered, found.pending) == (again.command, None)
    assert found.objection == "this policy is in force, or ordered, already"
    counts = court.configured(wanted)
    door.replacements.followed(court.say(OPERATOR, counts))
    found = standing()
    assert (found.answered, found.objection, found.pending) == (counts.command, "", wanted)

    for _ in range(2):
        charter = court.council.changes.charter(bytes(32))
        court.council.begin(charter)
        court.genesis = charter
        court.say(OPERATOR, court.replaced(COMMUNICATION, f"in epoch {charter.epoch}"))

    found = standing()
    assert (found.epoch, found.policy, found.rules) == (2, wanted.digest, wanted)
    assert (found.since_epoch, found.since_entry) == (1, 193)


def test_what_people_are_told_by_does_not_leave_the_engine(tmp_path: Path) -> None:
    secret = Handover(webhook="https://hooks.example/secret")
    door = Door(tmp_path, Court(Rules(handover=secret)))

    answer = door.wish(PolicyWanted(*door.who()))  # type: ignore[arg-type]

    found = msgspec.json.decode(answer, type=PolicyStanding)
    assert found.policy == Rules(handover=secret).digest
    assert found.rules == Rules()
    assert "secret" not in answer


async def test_whoever_is_replaced_is_ended_only_once_the_old_epoch_needs_it_no_more(
    tmp_path: Path,
) -> None:
    chronicle, door = Chronicle(tmp_path), Door(tmp_path / "run", Court())
    for entry in chronicle.entries[: chronicle.last_of_first]:
        door.replacements.followed(door.replay.apply(entry))
    await asyncio.sleep(0)
    assert door.court.council.genesis.epoch == 1
    assert door.supervisor.retired == []

    door.replacements.heard("ordered.detection-1", encode(chronicle.began(voters=3)))
    await asyncio.sleep(0)
    assert door.supervisor.retired == []

    door.replacements.heard("ordered.detection-1", encode(chronicle.began()))
    await asyncio.sleep(0)
    assert door.supervisor.retired == [COMMUNICATION]


async def test_entries_of_the_next_epoch_prove_too_that_the_old_one_has_ended(
    tmp_path: Path,
) -> None:
    chronicle, door = Chronicle(tmp_path), Door(tmp_path / "run", Court())

    for entry in chronicle.entries:
        door.replacements.followed(door.replay.apply(entry))
    await asyncio.sleep(0)

    assert door.supervisor.retired == [COMMUNICATION]


def test_a_wish_is_no_other_kind_of_signature() -> None:
    court = Court()
    wish = signed_wish(
        SuccessorWanted(court.genesis.cluster, OPERATOR, NOW_MS, COMMUNICATION), signer_of(OPERATOR)
    )
    _, submission = court.sign(OPERATOR, Frozen(court.command()))

    assert read_wish(wish, court.genesis, VERIFIER, NOW_MS).at_ms == NOW_MS
    with pytest.raises(Malformed):
        read_wish(submission, court.genesis, VERIFIER, NOW_MS)
    assert len({Domain.WISH, Domain.SUBMISSION, Domain.CLAIM, Domain.CONSENSUS}) == 4


# --- what is on disk --------------------------------------------------------------------------------


def charter_with(court: Court, key: bytes) -> Genesis:
    """The next epoch, in which the fifth agent has ``key``."""
    change = msgspec.structs.replace(court.replaced(COMMUNICATION))
    court.say(OPERATOR, change)
    charter = court.council.changes.charter(bytes(32))
    assert isinstance(charter, Charter)
    agents = tuple(
        msgspec.structs.replace(it, public_key=key) if it.id == COMMUNICATION else it
        for it in charter.agents
    )
    return msgspec.structs.replace(charter, agents=agents)


def test_whoever_is_in_office_is_started_and_a_successor_that_waits_beside_it(
    tmp_path: Path,
) -> None:
    court, paths = Court(), RunPaths(tmp_path).make()
    for generation in (1, 2):
        signer = new_key(paths, COMMUNICATION, generation)
        publish_claim(paths, COMMUNICATION, generation, court.genesis, signer)
    claimed = read_claim(paths.claim(COMMUNICATION, 1))
    assert claimed is not None
    assert claimed.holds(court.genesis, VERIFIER)
    after = charter_with(court, claimed.public_key)

    def names(constitution: Genesis | None, elsewhere: Sequence[AgentId] = ()) -> list[str]:
        children = agent_children(paths, [COMMUNICATION], constitution, elsewhere)
        return [f"{it.name}:{it.argv[-1]}" for it in children]

    assert in_office(paths, COMMUNICATION, court.genesis) == 0
    assert in_office(paths, COMMUNICATION, after) == 1
    first = "communication-1:communication-1"
    assert names(court.genesis) == [first, "communication-1.next:2"]
    assert names(after) == ["communication-1:1", "communication-1.next:2"]
    assert names(after, [COMMUNICATION]) == ["communication-1:1", "communication-1.next:2"]
    assert names(court.genesis, [COMMUNICATION]) == ["communication-1.next:2"]
    assert names(None) == [first, "communication-1.next:2"]


def test_a_successor_without_the_votes_that_its_key_may_have_cast_is_void(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path).make()
    first = new_key(paths, COMMUNICATION, 1)
    again = new_key(paths, COMMUNICATION, 1)
    (paths.successor(COMMUNICATION, 1) / "votes").unlink()

    assert again.public_key == first.public_key
    with pytest.raises(VotesDamaged, match="give it a new key"):
        new_key(paths, COMMUNICATION, 1)


def test_a_damaged_claim_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.claim"
    assert read_claim(path) is None
    path.write_text("{")

    with pytest.raises(Malformed, match="remove it, its agent writes it anew"):
        read_claim(path)


async def test_a_retired_child_is_ended_and_its_successor_takes_its_name(tmp_path: Path) -> None:
    supervisor = Supervisor(SystemClock(), lambda _states: None)
    for name in ("old", "new"):
        supervisor.add(Child(name, ["sleep", "60"], tmp_path / f"{name}.err"))
    await until(lambda: all(state.pid for state in supervisor.states))
    pids = {state.name: state.pid for state in supervisor.states}

    await supervisor.retire("old")
    supervisor.rename("new", "old")

    assert [(it.name, it.pid) for it in supervisor.states] == [("old", pids["new"])]
    await supervisor.stop()
