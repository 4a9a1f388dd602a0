"""What a conviction changes in a replica, and what it never changes."""

from collections.abc import Collection, Sequence

from engine.consensus.effects import (
    AnyRecord,
    Broadcast,
    Effect,
    Execute,
    Halted,
    Receive,
    ReportEvidence,
    Serve,
    Submit,
    Tick,
    Trace,
)
from engine.consensus.messages import (
    Entries,
    Fetch,
    Packet,
    Prepare,
    Proposal,
    Status,
    ViewChange,
    Vote,
    decode_packet,
    encode_packet,
)
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from engine.vocabulary import AgentId, Entry
from tests.unit.consensus.speaking import Speaker

A, B = bytes([1] * 32), bytes([2] * 32)


class Member:
    """One replica of five; the log convicts whom the test says, at the entry that it says."""

    def __init__(self, me: int = 1, resume: Resume | None = None) -> None:
        self.speaker = it = Speaker()
        self.convicted: dict[int, Collection[AgentId]] = {}
        self.applied: list[int] = []
        self.now_ms = 0
        self.replica = Replica(
            it.committee,
            it.members.ids[me],
            it.members.signers[it.members.ids[me]],
            Settings(checkpoint_period=8),
            resume or Resume(),
            self.apply,
        )
        self.replica.step(Tick(0))

    def apply(self, entry: Entry) -> Collection[AgentId]:
        self.applied.append(entry.sequence_number)
        return {
            agent
            for number, agents in self.convicted.items()
            if number <= entry.sequence_number
            for agent in agents
        }

    def id(self, place: int) -> AgentId:
        return self.speaker.members.ids[place]

    def convict(self, *places: int) -> Sequence[Effect]:
        """Have the next entry convict them."""
        number = self.replica.executed + 1
        self.convicted[number] = [self.id(place) for place in places]
        batch = (self.speaker.members.submission(1000 + number),)
        return self.hear(4, Entries((self.speaker.entry(number, *batch),)))

    def hear(self, by: int, packet: Packet) -> Sequence[Effect]:
        return self.replica.step(Receive(self.id(by), encode_packet(packet)))

    def refusal(self, by: int, packet: Packet) -> str:
        return next(it.refused for it in self.hear(by, packet) if isinstance(it, Trace))

    def wait(self, ms: int) -> list[Effect]:
        effects: list[Effect] = []
        for _ in range(0, ms, 50):
            self.now_ms += 50
            effects += self.replica.step(Tick(self.now_ms))
        return effects

    def said(self, effects: Sequence[Effect]) -> list[object]:
        packets = [decode_packet(it.frame) for it in effects if isinstance(it, Broadcast)]
        frames = [it.frame for it in packets if isinstance(it, (Vote, Proposal))]
        return [self.speaker.committee.read(frame) for frame in frames]

    def propose(self, number: int, primary: int, view: int) -> bytes:
        """Have the primary propose; the digest."""
        batch = (self.speaker.members.submission(number),)
        digest = self.speaker.digest(batch)
        self.hear(primary, Proposal(self.speaker.pre_prepare(view, number, digest), batch))
        return digest


def test_later_votes_of_a_convicted_replica_are_not_counted() -> None:
    member = Member()
    member.convict(4)
    digest = member.propose(2, primary=0, view=0)

    for by in (2, 4):
        member.hear(by, Vote(member.speaker.prepare(by, 0, 2, digest)))
    assert member.replica.phase == "pre-prepared"
    assert "convicted" in member.refusal(4, Vote(member.speaker.prepare(4, 0, 2, digest)))
    member.hear(3, Vote(member.speaker.prepare(3, 0, 2, digest)))

    assert member.replica.phase == "prepared"


def test_a_conviction_changes_neither_quorum_nor_schedule() -> None:
    member = Member()
    before = (
        member.speaker.committee.n,
        member.speaker.committee.f,
        member.speaker.committee.quorum,
    )

    member.convict(4)
    digest = member.propose(2, primary=0, view=0)
    for by in (0, 2):
        member.hear(by, Vote(member.speaker.prepare(by, 0, 2, digest)))
        member.hear(by, Vote(member.speaker.commit(by, 0, 2, digest)))

    committee = member.speaker.committee
    assert (committee.n, committee.f, committee.quorum) == before
    assert [committee.primary_of(view) for view in range(6)] == [0, 1, 2, 3, 4, 0]
    assert member.replica.executed == 1


def test_a_certificate_with_an_earlier_vote_of_the_convicted_still_proves_its_entry() -> None:
    member = Member()
    member.convict(3)
    entry = member.speaker.entry(2, member.speaker.members.submission(2))  # signed by 0, 1, 2, 3

    effects = member.hear(4, Entries((entry,)))

    assert [it.entry for it in effects if isinstance(it, Execute)] == [entry]


def test_a_convicted_primary_loses_its_view_in_the_same_step() -> None:
    member = Member()

    effects = member.convict(0)

    assert (member.replica.view, member.replica.entered) == (1, False)
    assert [it.view for it in member.said(effects) if isinstance(it, ViewChange)] == [1]


def test_the_turn_of_a_convicted_replica_is_passed_over() -> None:
    member = Member()
    member.convict(1)
    assert member.replica.view == 0

    member.replica.step(Submit(member.speaker.members.submission(9)))
    effects = member.wait(1000)

    assert [it.view for it in member.said(effects) if isinstance(it, ViewChange)] == [2]


def test_a_new_view_of_a_convicted_primary_is_refused() -> None:
    member = Member(me=2)
    member.convict(1)
    votes = [member.speaker.view_change(by, 1) for by in (0, 2, 3, 4)]
    beginning = Vote(member.speaker.sign(member.speaker.new_view(1, votes)))

    assert "convicted" in member.refusal(1, beginning)
    assert "convicted" in member.refusal(3, beginning)
    assert (member.replica.view, member.replica.entered) == (0, True)


def test_the_convicted_cannot_help_others_to_force_a_view_change() -> None:
    member = Member()
    member.hear(3, Vote(member.speaker.sign(member.speaker.view_change(3, 4))))
    member.convict(3)

    member.hear(4, Vote(member.speaker.sign(member.speaker.view_change(4, 4))))
    assert member.replica.entered
    member.hear(2, Vote(member.speaker.sign(member.speaker.view_change(2, 4))))

    assert (member.replica.view, member.replica.entered) == (4, False)


def test_where_the_convicted_say_they_are_counts_for_nothing() -> None:
    member = Member()
    for by in (3, 4):
        status = Status(*member.speaker.head, by, 0, True, 70, A, 64)
        member.hear(by, Vote(member.speaker.sign(status)))
    assert not member.replica.ready

    member.convict(4)
    for by in (0, 2, 3):
        status = Status(*member.speaker.head, by, 0, True, 1, member.replica.chain, 0)
        member.hear(by, Vote(member.speaker.sign(status)))

    assert member.replica.ready


def test_the_convicted_may_still_read_what_is_settled() -> None:
    member = Member()
    member.convict(4)

    effects = member.hear(4, Fetch(1, 8))

    assert [it for it in effects if isinstance(it, Serve)] == [Serve(member.id(4), 1, 8)]


def test_a_restart_restores_the_quarantine() -> None:
    member = Member()
    member.convict(0)

    again = Member(
        resume=Resume((1, member.replica.chain), None, (), convicted={member.id(0)}),
    )

    assert (again.replica.view, again.replica.entered) == (1, False)
    digest = bytes(32)
    assert "convicted" in again.refusal(0, Vote(again.speaker.commit(0, 1, 2, digest)))


def test_a_stranger_may_be_convicted_without_harm() -> None:
    member = Member()
    member.convicted[1] = [AgentId("stranger-1")]  # type: ignore[arg-type]

    member.hear(4, Entries((member.speaker.entry(1, member.speaker.members.submission(1)),)))

    assert (member.replica.executed, member.replica.view, member.replica.entered) == (1, 0, True)


# --- more than f ----------------------------------------------------------------------------------


def test_more_than_f_convictions_halt_the_replica_at_that_entry() -> None:
    member = Member()
    member.convicted[2] = [member.id(3), member.id(4)]
    entries = [
        member.speaker.entry(number, member.speaker.members.submission(number))
        for number in (1, 2, 3)
    ]

    effects = member.hear(4, Entries(tuple(entries)))

    assert member.applied == [1, 2]
    assert [it for it in effects if isinstance(it, Halted)] == [
        Halted((member.id(3), member.id(4)))
    ]
    assert (member.replica.phase, member.replica.ready) == ("halted", False)


def test_proofs_against_more_than_f_halt_the_replica_before_they_are_ordered() -> None:
    member = Member()
    effects: list[Effect] = []
    for by in (2, 3):
        for digest in (A, B):
            effects += member.hear(by, Vote(member.speaker.commit(by, 0, 1, digest)))

    assert len([it for it in effects if isinstance(it, ReportEvidence)]) == 2
    assert [it for it in effects if isinstance(it, Halted)] == [
        Halted((member.id(2), member.id(3)))
    ]


def test_a_halted_replica_votes_no_more_but_says_where_it_is_and_serves() -> None:
    member = Member()
    member.convict(3, 4)

    digest = member.propose(2, primary=0, view=0)
    said = member.said(member.replica.step(Submit(member.speaker.members.submission(3))))
    said += member.said(member.wait(5000))

    assert {type(message) for message in said} == {Status}
    vote = Vote(member.speaker.prepare(2, 0, 2, digest))
    assert "halted" in member.refusal(2, vote)
    assert [it for it in member.hear(2, Fetch(1, 8)) if isinstance(it, Serve)]
    assert member.replica.executed == 1


def test_a_replica_whose_ledger_convicts_more_than_f_starts_halted() -> None:
    speaker = Speaker()
    records: tuple[AnyRecord, ...] = ()
    resume = Resume((1, A), None, records, convicted=speaker.members.ids[2:4])

    member = Member(resume=resume)

    assert member.replica.phase == "halted"
    assert not [it for it in member.said(member.wait(3000)) if isinstance(it, Prepare)]


def test_the_same_proof_is_reported_once() -> None:
    member = Member()
    effects: list[Effect] = []
    for digest in (A, B, A, B):
        effects += member.hear(2, Vote(member.speaker.commit(2, 0, 1, digest)))

    assert len([it for it in effects if isinstance(it, ReportEvidence)]) == 1
