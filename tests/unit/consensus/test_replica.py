"""One replica, event by event: what it takes, what it refuses and why, what it reports."""

import pytest

from engine.consensus.checkpoint import Diverged
from engine.consensus.effects import (
    Broadcast,
    Compact,
    Execute,
    Persist,
    ReportEvidence,
    Send,
    Submit,
    Tick,
    Trace,
)
from engine.consensus.messages import (
    Checkpoint,
    Entries,
    Fetch,
    FetchBatches,
    NewView,
    Ordered,
    Packet,
    PrePrepare,
    Proposal,
    Stable,
    Status,
    Vote,
    decode_packet,
)
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings, settings_for
from engine.vocabulary import AgentId, AuthorId
from tests.unit.consensus.backup import Backup
from tests.unit.consensus.speaking import Speaker

A, B = bytes([1] * 32), bytes([2] * 32)


@pytest.fixture
def backup() -> Backup:
    return Backup()


def test_a_vote_is_written_before_it_is_sent(backup: Backup) -> None:
    effects = backup.hear(0, backup.proposal(1, backup.submission(1)))

    kinds = [type(effect) for effect in effects]
    assert kinds == [Persist, Persist, Broadcast, Trace]


def _refusals(it: Backup) -> dict[str, tuple[int, Packet]]:
    one, two = it.submission(1), it.submission(2)
    digest = it.speaker.digest((one,))
    foreign = Speaker(name="other").members.submission(1)
    agent = it.speaker.members.submission(1, AuthorId("agent-3"))
    return {
        "batch does not fit": (0, Proposal(it.speaker.pre_prepare(0, 1, digest), (two,))),
        "batch of 0": (0, it.proposal(1)),
        "batch of 65": (0, it.proposal(1, *(it.submission(n) for n in range(1, 66)))),
        "repeats": (0, it.proposal(1, one, one)),
        "another cluster or epoch": (0, it.proposal(1, foreign)),
        "signature of the submission": (0, it.proposal(1, agent[:-1] + b"?")),
        "malformed submission": (0, it.proposal(1, b"garbage")),
        "outside the window": (0, it.proposal(129, one)),
        "another than its signer": (2, it.proposal(1, one)),
        "another than the primary": (
            2,
            Proposal(it.speaker.pre_prepare(0, 1, digest, by=2), (one,)),
        ),
        "prepare of the primary": (0, Vote(it.speaker.prepare(0, 0, 1, digest))),
        "signature does not fit": (2, Vote(it.speaker.prepare(2, 0, 1, digest)[:-1] + b"?")),
        "kept until": (2, Vote(it.speaker.prepare(2, 5, 1, digest))),
        "wrong primary": (2, Vote(it.speaker.sign(NewView(*it.speaker.head, 2, 1, (), ())))),
        "not for replicas": (2, Vote(it.speaker.sign(Ordered(*it.speaker.head, 2, 1, ())))),
        "from no peer": (1, Fetch(1, 1)),
        "of no member": (2, Vote(encode_as_stranger(it))),
        "without a quorum": (2, Stable(it.speaker.stable(64, A, voters=3))),
        "0 replicas committed": (2, Entries((it.speaker.entry(1, one, voters=0),))),
    }


def encode_as_stranger(it: Backup) -> bytes:
    speaker = it.speaker
    signer = speaker.members.operator
    return speaker.committee.sign(signer, PrePrepare(*speaker.head, 9, 0, 1, A))


@pytest.mark.parametrize("why", _refusals(Backup()))
def test_what_does_not_hold_is_refused_with_its_reason(backup: Backup, why: str) -> None:
    by, packet = _refusals(backup)[why]

    assert why in backup.refusal(by, packet)


def test_a_submission_under_way_is_not_taken_a_second_time(backup: Backup) -> None:
    backup.hear(0, backup.proposal(1, backup.submission(1)))

    again = backup.proposal(2, backup.submission(1))

    assert "repeats" in backup.refusal(0, again)


def test_two_headers_for_one_place_convict_the_primary_once(backup: Backup) -> None:
    backup.hear(0, backup.proposal(1, backup.submission(1)))

    effects = backup.hear(0, backup.proposal(1, backup.submission(2)))
    again = backup.hear(0, backup.proposal(1, backup.submission(3)))

    assert [it.evidence.culprit for it in effects if isinstance(it, ReportEvidence)] == ["agent-0"]
    assert not any(isinstance(it, ReportEvidence) for it in again)


def test_two_checkpoints_at_one_number_convict_their_signer(backup: Backup) -> None:
    it = backup.speaker
    votes = [Vote(it.sign(Checkpoint(*it.head, 3, 64, chain))) for chain in (A, B)]

    backup.hear(3, votes[0])

    assert any(isinstance(effect, ReportEvidence) for effect in backup.hear(3, votes[1]))


def test_whoever_votes_for_another_batch_is_shown_the_header(backup: Backup) -> None:
    mine = backup.proposal(1, backup.submission(1))
    backup.hear(0, mine)

    effects = backup.hear(3, Vote(backup.speaker.prepare(3, 0, 1, A)))

    shown = [it for it in effects if isinstance(it, Send)]
    assert [it.peer for it in shown] == ["agent-3"]
    assert decode_packet(shown[0].frame) == Vote(mine.frame)


def test_a_new_view_against_its_own_contents_is_refused_and_reported(backup: Backup) -> None:
    lie = backup.new_view(2, backup.speaker.pre_prepare(2, 1, A))

    effects = backup.hear(2, lie)

    reported = [it.evidence for it in effects if isinstance(it, ReportEvidence)]
    assert [(it.culprit, it.kind) for it in reported] == [("agent-2", "bad-new-view")]
    assert backup.replica.view == 0


def test_a_new_view_can_be_passed_on_by_anyone_and_begins_the_view(backup: Backup) -> None:
    backup.hear(4, backup.new_view(2))

    assert (backup.replica.view, backup.replica.entered) == (2, True)
    assert backup.replica.primary == "agent-2"


def test_messages_of_the_next_view_are_kept_until_it_begins(backup: Backup) -> None:
    early = backup.hear(2, backup.proposal(1, backup.submission(1), view=2))
    assert not any(isinstance(it, Broadcast) for it in early)

    effects = backup.hear(2, backup.new_view(2))

    assert sum(isinstance(it, Broadcast) for it in effects) == 1


def test_what_one_peer_may_have_kept_is_bounded_and_drops_are_counted() -> None:
    backup = Backup(Settings(future_frames=3))

    for number in range(1, 9):
        backup.hear(2, Vote(backup.speaker.prepare(2, 5, number, A)))

    assert backup.replica.dropped == 5


def test_one_replica_cannot_drag_the_others_into_another_view(backup: Backup) -> None:
    for view in (1, 5, 100):
        backup.hear(4, Vote(backup.speaker.sign(backup.speaker.view_change(4, view))))
    assert backup.replica.view == 0

    backup.hear(3, Vote(backup.speaker.sign(backup.speaker.view_change(3, 7))))

    assert backup.replica.view == 7
    assert not backup.replica.entered
    assert backup.replica.phase == "view-change"


def test_a_submission_that_is_not_ordered_is_relayed_and_then_costs_the_primary_its_place(
    backup: Backup,
) -> None:
    backup.replica.step(Submit(backup.submission(1)))

    relayed = [it for it in backup.wait(400) if isinstance(it, Send)]
    assert [it.peer for it in relayed] == ["agent-0"]
    backup.wait(400)

    assert backup.replica.view == 1


def test_a_process_that_stood_still_itself_does_not_blame_the_primary(backup: Backup) -> None:
    backup.replica.step(Submit(backup.submission(1)))

    backup.replica.step(Tick(60_000))

    assert backup.replica.view == 0


def test_fetched_entries_are_executed_and_checkpointed() -> None:
    backup = Backup(Settings(checkpoint_period=2))
    entries = tuple(
        backup.speaker.entry(number, backup.submission(number)) for number in range(1, 4)
    )

    effects = list(backup.hear(3, Entries(entries)))
    chain = next(it.chain for it in effects if isinstance(it, Execute) and it.entry == entries[1])
    effects += backup.hear(3, Stable(backup.speaker.stable(2, chain)))

    assert [it.entry for it in effects if isinstance(it, Execute)] == list(entries)
    assert any(isinstance(it, Compact) for it in effects)


def test_a_quorum_with_another_history_stops_the_replica() -> None:
    backup = Backup(Settings(checkpoint_period=2))
    entries = tuple(backup.speaker.entry(number) for number in (1, 2))
    backup.hear(3, Entries(entries))

    with pytest.raises(Diverged, match="compare the ledgers"):
        backup.hear(3, Stable(backup.speaker.stable(2, A)))


def test_a_batch_is_handed_to_whoever_asks_a_few_times_a_tick(backup: Backup) -> None:
    proposal = backup.proposal(1, backup.submission(1))
    backup.hear(0, proposal)
    asked = FetchBatches((backup.speaker.digest(proposal.batch),))

    answers = [backup.hear(3, asked) for _ in range(9)]

    assert sum(any(isinstance(it, Send) for it in effects) for effects in answers) == 4


def test_it_is_ready_once_a_quorum_was_heard_and_nobody_is_ahead(backup: Backup) -> None:
    it = backup.speaker

    def status(by: int, executed: int) -> Vote:
        return Vote(it.sign(Status(*it.head, by, 0, True, executed, A, 0)))

    ready = [backup.replica.ready]
    for executed, heard in ((0, (0, 2, 3)), (5, (0, 2))):
        for by in heard:
            backup.hear(by, status(by, executed))
        ready.append(backup.replica.ready)

    assert ready == [False, True, False]


def test_a_stranger_is_no_replica() -> None:
    it = Speaker()
    with pytest.raises(ValueError, match="no agent of this cluster"):
        Replica(
            it.committee, AgentId(AuthorId("x")), it.members.operator, Settings(), Resume()
        )  # fmt: skip


def test_settings_whose_new_view_nobody_would_take_are_refused_with_what_would_do() -> None:
    Settings().checked_for(7, 2)
    with pytest.raises(ValueError, match=r"use \d+ or less"):
        Settings().checked_for(13, 4)


@pytest.mark.parametrize("n", range(1, 32))
def test_every_committee_has_settings_that_fit(n: int) -> None:
    f = (n - 1) // 3

    settings = settings_for(n, f)

    assert settings.checked_for(n, f).checkpoint_period >= 4
    assert n > 7 or settings == Settings()


def test_a_primary_that_was_idle_for_long_is_not_given_up_at_its_next_proposal() -> None:
    speaker = Speaker()
    me = speaker.members.ids[0]
    primary = Replica(speaker.committee, me, speaker.members.signers[me], Settings(), Resume())
    for now_ms in range(0, 10_000, 50):
        primary.step(Tick(now_ms))

    effects = list(primary.step(Submit(speaker.members.submission(1))))
    effects += primary.step(Tick(10_050))

    assert any(isinstance(effect, Broadcast) for effect in effects)
    assert primary.view == 0
