"""How a view ends and the next begins, as pure functions that every replica computes for itself.

A VIEW-CHANGE shows the stable checkpoint and, for each sequence number above it, the proof of the
highest view in which its sender prepared something (Castro and Liskov 1999, section 4.4). From a
quorum of them follows, without any choice, what the new view starts with: ``select``.

No proof holds more votes than it needs: whoever shows it on repeats all that it holds, and
what a liar padded would make an honest replica's VIEW-CHANGE too long to be taken.
"""

from collections.abc import Sequence

import msgspec

from engine.consensus.committee import Committee, Refused
from engine.consensus.messages import (
    Checkpoint,
    NewView,
    Prepare,
    Prepared,
    PrePrepare,
    StableCheckpoint,
    ViewChange,
)


class Plan(msgspec.Struct, frozen=True):
    """What a new view starts with."""

    stable: StableCheckpoint
    slots: tuple[tuple[int, bytes], ...]
    """Sequence number and digest, without gaps, from just above the stable checkpoint on."""


def check_stable(stable: StableCheckpoint, committee: Committee) -> None:
    """Check the quorum of CHECKPOINTs.

    Raises:
        Refused: they do not prove it.
    """
    first, chain = committee.base
    if stable.sequence_number <= first:
        if (stable.sequence_number, stable.chain) != (first, chain) or stable.proof:
            raise Refused("checkpoint is not where the epoch begins")
        return
    if len(stable.proof) > committee.quorum:
        raise Refused("checkpoint proof of more votes than a quorum")
    voters: set[int] = set()
    for frame in stable.proof:
        vote = committee.open(frame)
        if not isinstance(vote, Checkpoint):
            raise Refused("checkpoint proof holds something else")
        if (vote.sequence_number, vote.chain) != (stable.sequence_number, stable.chain):
            raise Refused("checkpoint proof is for another checkpoint")
        voters.add(vote.replica)
    if len(voters) < committee.quorum:
        raise Refused("checkpoint proof without a quorum")


def check_prepared(proof: Prepared, committee: Committee) -> PrePrepare:
    """The PRE-PREPARE that ``proof`` proves to have been prepared.

    Raises:
        Refused: it does not prove it.
    """
    header = committee.open(proof.pre_prepare)
    if not isinstance(header, PrePrepare):
        raise Refused("prepared proof without a pre-prepare")
    primary = committee.primary_of(header.view)
    if header.replica != primary:
        raise Refused("prepared proof of the wrong primary")
    if len(proof.prepares) > committee.quorum - 1:
        raise Refused("prepared proof of more votes than a quorum")
    voters: set[int] = set()
    for frame in proof.prepares:
        vote = committee.open(frame)
        if not isinstance(vote, Prepare) or vote.replica == primary:
            raise Refused("prepared proof holds something else than a backup's prepare")
        place = (vote.view, vote.sequence_number, vote.digest)
        if place != (header.view, header.sequence_number, header.digest):
            raise Refused("prepared proof mixes votes")
        voters.add(vote.replica)
    if len(voters) < committee.quorum - 1:
        raise Refused("prepared proof without a quorum")
    return header


def check_view_change(message: ViewChange, committee: Committee, window: int) -> None:
    """Check everything that a VIEW-CHANGE claims; its own signature is the caller's to check.

    Raises:
        Refused: a claim is not proved.
    """
    check_stable(message.stable, committee)
    last = message.stable.sequence_number
    highest = last + window
    # So many rising numbers do not fit the window: one more than a window is never taken.
    for proof in message.prepared[: window + 1]:
        header = check_prepared(proof, committee)
        if header.view >= message.view:
            raise Refused("view-change shows a view that it has not left")
        if not last < header.sequence_number <= highest:
            raise Refused("view-change shows a number out of order or outside the window")
        last = header.sequence_number


def select(view_changes: Sequence[ViewChange], committee: Committee) -> Plan:
    """What follows from a quorum of checked VIEW-CHANGEs, the same for whoever computes it.

    The highest stable checkpoint wins; for each number above it the proof of the highest view
    wins; numbers that nobody prepared below the highest one get the null batch.
    """
    stable = max((vote.stable for vote in view_changes), key=lambda it: it.sequence_number)
    chosen: dict[int, PrePrepare] = {}
    for vote in view_changes:
        for proof in vote.prepared:
            header = committee.read(proof.pre_prepare)
            assert isinstance(header, PrePrepare), "callers check first"
            number = header.sequence_number
            if number <= stable.sequence_number:
                continue
            if number not in chosen or header.view > chosen[number].view:
                chosen[number] = header
    null = committee.digest_of(())
    first, last = stable.sequence_number + 1, max(chosen, default=stable.sequence_number)
    slots = tuple(
        (number, bytes(chosen[number].digest) if number in chosen else bytes(null))
        for number in range(first, last + 1)
    )
    return Plan(stable, slots)


def plan_of(message: NewView, committee: Committee, window: int) -> Plan:
    """The plan of a NEW-VIEW, recomputed; its own signature is the caller's to check.

    Raises:
        Refused: a vote in it is not proved, or what it starts with does not follow from them.
    """
    if message.replica != committee.primary_of(message.view):
        raise Refused("new-view of the wrong primary")
    if len(message.view_changes) > committee.quorum:
        raise Refused("new-view of more votes than a quorum")
    votes: dict[int, ViewChange] = {}
    for frame in message.view_changes:
        vote = committee.open(frame)
        if not isinstance(vote, ViewChange) or vote.view != message.view:
            raise Refused("new-view holds something else than view-changes to it")
        check_view_change(vote, committee, window)
        votes[vote.replica] = vote
    if len(votes) < committee.quorum:
        raise Refused("new-view without a quorum")
    plan = select(list(votes.values()), committee)
    headers = [committee.open(frame) for frame in message.pre_prepares[: window + 1]]
    wanted = [
        PrePrepare(
            committee.cluster, committee.epoch, message.replica, message.view, number, digest
        )
        for number, digest in plan.slots
    ]
    if headers != wanted:
        raise Refused("new-view does not start with what follows from its view-changes")
    return plan
