"""An audit of a whole ledger: its proofs, and what the council made of it. Trusts only given keys."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.certificate import certificate_digest, objection_to
from engine.codec import Malformed
from engine.consensus.certificate import Seal, Unproven
from engine.council import Council, Happening
from engine.founding import check_constitution
from engine.genesis import Genesis
from engine.ledger.export import read_export
from engine.ledger.replay import Replay
from engine.ledger.sqlite import LedgerDamaged, open_ledger
from engine.ledger.verify import verify_ledger
from engine.signing import Ed25519Verifier
from engine.vocabulary import Acted, Entry, Undone

SQLITE_MAGIC = b"SQLite format 3\0"


class Doubtful(ValueError):
    """The ledger does not prove what it claims; the message says where and why."""


class Audit(msgspec.Struct, frozen=True):
    """What was found good."""

    cluster: bytes
    entries: int
    submissions: int
    incidents: int
    certificates: int
    actions: int
    chain: bytes


class Ledger(msgspec.Struct, frozen=True):
    """A ledger as it was read, nothing of it believed yet."""

    genesis: Genesis
    entries: tuple[Entry, ...]
    seal: Seal | None


def read_ledger(path: Path) -> Ledger:
    """The SQLite ledger or the canonical export in a file.

    Raises:
        Doubtful: it is neither, or damaged.
    """
    try:
        with path.open("rb") as file:
            is_sqlite = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
        if not is_sqlite:
            export = read_export(path)
            return Ledger(export.genesis, export.entries, export.seal)
        store = open_ledger(path)
        try:
            return Ledger(store.genesis, tuple(store.read_all()), store.seal)
        finally:
            store.close()
    except OSError as error:
        raise Doubtful(f"{path}: cannot be read: {error.strerror}") from None
    except (Malformed, LedgerDamaged) as error:
        raise Doubtful(str(error)) from None


def audit_ledger(path: Path, trusted: Sequence[Genesis], beside: Path) -> Audit:
    """Check everything that the ledger in ``path`` claims.

    ``beside`` is the folder with the policy and the manifest that its genesis pins.

    Raises:
        Doubtful: something does not hold; says what, and at which entry.
    """
    ledger = read_ledger(path)
    known = next((g for g in trusted if g.cluster == ledger.genesis.cluster), None)
    if known is None:
        raise Doubtful(f"{path}: its genesis is none of the {len(trusted)} that are trusted")
    if ledger.seal is None:
        raise Doubtful(f"{path}: no quorum attests its head, so its end may have been cut off")
    verifier = Ed25519Verifier()
    try:
        report = verify_ledger(known, ledger.entries, ledger.seal, known.author_keys(), verifier)
        _, rules, manifest = check_constitution(
            known, beside / "policy.toml", beside / "fleet.toml"
        )
    except (Unproven, Malformed) as error:
        raise Doubtful(f"{path}: {error}") from None
    replay = Replay(Council(known, rules, manifest, verifier))
    certificates: set[bytes] = set()
    actions = 0
    for entry in ledger.entries:
        for happening in replay.apply(entry):
            if happening.kind == "certificate":
                certificates.add(_certificate(path, happening, replay.council, verifier))
            elif happening.kind in {"acted", "undone"}:
                actions += 1
                _check_action(path, happening, certificates)
    return Audit(
        cluster=report.cluster,
        entries=report.entries,
        submissions=len(report.submissions),
        incidents=replay.council.opened,
        certificates=len(certificates),
        actions=actions,
        chain=report.chain,
    )


def _certificate(
    path: Path, happening: Happening, council: Council, verifier: Ed25519Verifier
) -> bytes:
    """The digest of the certificate that has just become complete, checked once more by itself."""
    assert happening.incident is not None
    certificate = council.incidents[happening.incident].attempt.certificate
    assert certificate is not None
    objection = objection_to(certificate, council.genesis, verifier)
    if objection:
        raise Doubtful(f"{path}: entry {happening.sequence_number}: a certificate {objection}")
    return certificate_digest(certificate.body)


def _check_action(path: Path, happening: Happening, certificates: set[bytes]) -> None:
    match happening.operation:
        case Acted(certificate=digest) | Undone(certificate=digest) if digest in certificates:
            return
        case _:
            where = f"{path}: entry {happening.sequence_number}"
            raise Doubtful(f"{where}: an action without a certificate")
