"""From the state to the vote log and back: what a replica must remember to keep its word."""

from collections.abc import Iterable

from engine.consensus.effects import (
    Accepted,
    AnyRecord,
    Certified,
    Entered,
    Settled,
    Voted,
)
from engine.consensus.log import Slot
from engine.consensus.messages import (
    Ballot,
    Checkpoint,
    Commit,
    NewView,
    Prepare,
    PrePrepare,
    ViewChange,
)
from engine.consensus.state import State


def snapshot(state: State) -> tuple[AnyRecord, ...]:
    """All that the vote log has to hold now; what is at or below the stable checkpoint is not."""
    records: list[AnyRecord] = [] if state.began is None else [state.began]
    records.append(Settled(state.checkpoints.stable))
    if state.new_view_frame:
        records.append(Entered(state.new_view_frame))
    if state.view_change_frame:
        records.append(Voted(state.view_change_frame))
    own = (votes.get(state.me) for votes in state.checkpoints.votes.values())
    records.extend(Voted(ballot.frame) for ballot in own if ballot is not None)
    for number in sorted(state.log.slots):
        records.extend(_slot_records(state, state.log.slots[number]))
    return tuple(records)


def _slot_records(state: State, slot: Slot) -> Iterable[AnyRecord]:
    if slot.proof is not None:
        yield Certified(slot.proof)
    for digest, frame in slot.accepted.items():
        yield Accepted(frame, state.log.batches[digest])
    for word in ("prepare", "commit"):
        if word in slot.own:
            yield Voted(slot.own[word].frame)


def restore(state: State, records: Iterable[AnyRecord]) -> None:
    """Bring a fresh ``state`` to where the vote log says it was. Frames are its own, so trusted."""
    kept = list(records)
    for record in kept:
        _restore_view(state, record)
    for record in kept:
        _restore_slot(state, record)
    numbers = [number for number, slot in state.log.slots.items() if slot.header is not None]
    following = max([state.executed, state.log.low, state.plan_stable, *numbers]) + 1
    state.next_number = max(state.next_number, following)


def _restore_view(state: State, record: AnyRecord) -> None:
    if isinstance(record, Settled):
        state.checkpoints.adopt(record.checkpoint)
        state.log.collect(record.checkpoint.sequence_number)
    elif isinstance(record, Entered):
        message = state.committee.read(record.frame)
        assert isinstance(message, NewView), "the vote log holds what was written"
        # Views only rise, and records stand in the order in which they were written.
        state.view, state.entered = message.view, True
        state.new_view_frame, state.view_change_frame = record.frame, b""
        votes = [state.committee.read(frame) for frame in message.view_changes]
        state.plan_stable = max(
            vote.stable.sequence_number for vote in votes if isinstance(vote, ViewChange)
        )
        # Also where the window, from a checkpoint long ago, does not reach what the view begins
        # with: a primary that put nothing else there before the crash may not do so after it.
        state.next_number = state.plan_stable + len(message.pre_prepares) + 1
    elif isinstance(record, Voted):
        message = state.committee.read(record.frame)
        if isinstance(message, ViewChange) and message.view > state.view:
            state.view, state.entered = message.view, False
            state.new_view_frame, state.view_change_frame = b"", record.frame


def _restore_slot(state: State, record: AnyRecord) -> None:
    if isinstance(record, Entered) and record.frame == state.new_view_frame:
        message = state.committee.read(record.frame)
        assert isinstance(message, NewView), "the vote log holds what was written"
        for frame in message.pre_prepares:
            _restore_header(state, frame)
    elif isinstance(record, Accepted):
        state.log.batches[state.digest_of(record.batch)] = record.batch
        _restore_header(state, record.frame)
    elif isinstance(record, Certified):
        header = state.committee.read(record.proof.pre_prepare)
        assert isinstance(header, PrePrepare), "the vote log holds what was written"
        slot = state.slot(header.sequence_number)
        if slot is not None and header.view > slot.proof_view:
            slot.proof, slot.proof_view = record.proof, header.view
            slot.proof_digest = header.digest
    elif isinstance(record, Voted):
        _restore_vote(state, record.frame)


def _restore_header(state: State, frame: bytes) -> None:
    header = state.committee.read(frame)
    assert isinstance(header, PrePrepare), "the vote log holds what was written"
    slot = state.slot(header.sequence_number)
    if slot is None:
        return
    if header.digest in state.log.batches:
        slot.accept(header.digest, frame)
    if header.view != state.view or not state.entered:
        return
    slot.header = slot.first_header = Ballot(header.digest, frame)
    if header.replica == state.me:
        slot.own["pre-prepare"] = slot.header
    batch = state.log.batches.get(header.digest)
    if batch is not None:
        slot.keys = tuple(map(state.committee.read_submission, batch))


def _restore_vote(state: State, frame: bytes) -> None:
    vote = state.committee.read(frame)
    if isinstance(vote, Checkpoint):
        number = vote.sequence_number
        if number > state.log.low and number <= state.executed:
            state.checkpoints.reach(number, vote.chain)
            state.checkpoints.votes.setdefault(number, {})[state.me] = Ballot(vote.chain, frame)
    elif isinstance(vote, (Prepare, Commit)) and vote.view == state.view and state.entered:
        slot = state.slot(vote.sequence_number)
        if slot is not None:
            ballot = slot.own[vote.kind] = Ballot(vote.digest, frame)
            votes = slot.prepares if isinstance(vote, Prepare) else slot.commits
            votes[state.me] = ballot
