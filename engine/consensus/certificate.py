"""The proofs a ledger carries, checked by anyone who has the genesis: pure, used offline too."""

from collections.abc import Iterable

import msgspec

from engine.consensus.committee import Committee, Refused
from engine.consensus.messages import Commit, Status
from engine.genesis import Genesis
from engine.signing import Verifier
from engine.vocabulary import Entry


class Unproven(ValueError):
    """An entry or a seal whose proof does not hold; the message says what is wrong with it."""


class Seal(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A quorum's word that its ledger ends here: signed Status messages at one head."""

    sequence_number: int
    chain: bytes
    statuses: tuple[bytes, ...]


def check_entry(entry: Entry, committee: Committee) -> None:
    """Check that a quorum of ``committee`` committed ``entry``, and that it shows no vote more.

    Raises:
        Unproven: the commit certificate does not prove it.
    """
    if entry.sequence_number < 1:
        raise Unproven(f"entry {entry.sequence_number}: numbers begin at 1")
    digest = committee.digest_of(entry.batch)
    if len(entry.commits) > committee.quorum:
        raise Unproven(f"entry {entry.sequence_number}: it holds more votes than a quorum")
    voters: set[int] = set()
    for frame in entry.commits:
        try:
            vote = committee.read(frame)
            if not isinstance(vote, Commit) or vote.digest != digest:
                raise Refused("is no COMMIT for this batch")
            if (vote.view, vote.sequence_number) != (entry.view, entry.sequence_number):
                raise Refused("is for another place")
            if not committee.signed(frame, vote):
                raise Refused("is not signed by its sender")
        except Refused as error:
            raise Unproven(f"entry {entry.sequence_number}: a commit vote {error}") from None
        voters.add(vote.replica)
    if len(voters) < committee.quorum:
        raise Unproven(
            f"entry {entry.sequence_number}: {len(voters)} replicas committed it, "
            f"{committee.quorum} are needed"
        )


def verify_seal(seal: Seal, head: int, chain: bytes, genesis: Genesis, verifier: Verifier) -> None:
    """Check that a quorum says that the ledger ends at ``head`` with ``chain``.

    Raises:
        Unproven: the seal is for another head, or no quorum signed it.
    """
    if (seal.sequence_number, seal.chain) != (head, chain):
        raise Unproven(
            f"the seal is for sequence number {seal.sequence_number}, the ledger ends at {head}: "
            "entries are missing, or were changed"
        )
    committee = Committee(genesis, verifier)
    sealed = seal_from(seal.statuses[: genesis.n], head, chain, committee)
    if sealed is None:
        raise Unproven(f"no quorum of {genesis.quorum} signed the seal at {head}")


def seal_from(
    frames: Iterable[bytes], head: int, chain: bytes, committee: Committee
) -> Seal | None:
    """The seal at ``head`` that the signed Status messages among ``frames`` make, if they do."""
    good: dict[int, bytes] = {}
    for frame in frames:
        try:
            status = committee.open(frame)
        except Refused:
            continue
        if isinstance(status, Status) and (status.executed, status.chain) == (head, chain):
            good.setdefault(status.replica, frame)
    if len(good) < committee.quorum:
        return None
    statuses = tuple(good[replica] for replica in sorted(good)[: committee.quorum])
    return Seal(head, chain, statuses)
