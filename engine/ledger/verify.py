"""The offline verifier: trusts nothing but the public keys it is given (pure)."""

from collections.abc import Iterable, Mapping

import msgspec

from engine.consensus.certificate import Seal, Unproven, check_entry, verify_seal
from engine.consensus.clients import ClientTable
from engine.consensus.committee import Committee, Refused
from engine.consensus.epochs import Epochs
from engine.genesis import Genesis
from engine.signing import Verifier
from engine.vocabulary import AuthorId, Entry, Submission


class Report(msgspec.Struct, frozen=True):
    """What was verified; that there is one says that all of it holds."""

    cluster: bytes
    entries: int
    chain: bytes
    submissions: tuple[tuple[int, Submission], ...]
    """The sequence number and submission of everything that counts, in order, duplicates left
    out: what the council folds over."""
    sealed: bool
    """Whether a quorum said that the ledger ends there."""
    constitutions: tuple[Genesis, ...]
    """The genesis, and the charter of every epoch that the ledger itself ordered."""


def verify_genesis(genesis: Genesis, trusted_keys: Mapping[AuthorId, bytes]) -> None:
    """Check that everyone whom ``genesis`` names has the key that is trusted.

    Raises:
        Unproven: somebody has not.
    """
    for author, key in genesis.author_keys().items():
        if author not in trusted_keys:
            raise Unproven(f"genesis: the key of {author} is not among the trusted ones")
        if trusted_keys[author] != key:
            raise Unproven(f"genesis: {author} has another key than the trusted one")
    if len(genesis.agents) != genesis.n:
        raise Unproven(f"genesis: n is {genesis.n}, but {len(genesis.agents)} agents are listed")
    if len({member.public_key for member in genesis.agents}) != genesis.n:
        raise Unproven("genesis: two agents share a key, so one of them could vote twice")


def verify_ledger(
    genesis: Genesis,
    entries: Iterable[Entry],
    seal: Seal | None,
    trusted_keys: Mapping[AuthorId, bytes],
    verifier: Verifier,
    *,
    require_seal: bool = True,
) -> Report:
    """Check a whole ledger: genesis, numbers, commit certificates, signatures, chain, seal.

    Without a seal nothing says that the tail is complete: only with ``require_seal`` off is that
    let pass, and the report tells.

    Raises:
        Unproven: something does not hold; says what, and at which entry.
    """
    verify_genesis(genesis, trusted_keys)
    epochs = Epochs(Committee(genesis, verifier))
    clients = ClientTable()
    found: list[tuple[int, Submission]] = []
    for entry in entries:
        number, committee = epochs.head[0] + 1, epochs.committee
        if entry.sequence_number != number:
            raise Unproven(f"entry {entry.sequence_number} stands where {number} is due")
        check_entry(entry, committee)
        try:
            for frame in entry.batch:
                committee.open_submission(frame)
        except Refused as error:
            raise Unproven(f"entry {number}: {error}") from None
        epochs.take(entry)
        found.extend((number, submission) for submission in clients.fresh(entry))
    number, chain = epochs.head
    if seal is None and require_seal:
        raise Unproven(f"no seal at {number}: entries may be missing at the end")
    if seal is not None:
        _verify_seal(seal, epochs, verifier)
    constitutions = tuple(epochs.constitutions)
    return Report(genesis.cluster, number, chain, tuple(found), seal is not None, constitutions)


def _verify_seal(seal: Seal, epochs: Epochs, verifier: Verifier) -> None:
    """Check the seal; one at a boundary may be of either epoch, as a quorum of either was there."""
    number, chain = epochs.head
    *older, newest = epochs.constitutions
    if older and newest.base[0] == number:
        try:
            verify_seal(seal, number, chain, older[-1], verifier)
        except Unproven:
            pass
        else:
            return
    verify_seal(seal, number, chain, newest, verifier)
