"""``main.py verify``: checks a ledger, a certificate or an evidence offline.

Nothing is trusted but the public keys in the geneses that are given, or that were pinned on this
machine when their clusters were founded.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.certificate import certificate_digest, objection_to
from engine.charter import difference_in_words
from engine.cli import CommandError
from engine.codec import Malformed
from engine.consensus.certificate import Unproven
from engine.consensus.evidence import Evidence
from engine.founding import check_pins, trust_folder
from engine.genesis import Genesis
from engine.ledger.audit import Auditor
from engine.ledger.charters import CHARTERS, read_charters
from engine.ledger.export import Export, write_export
from engine.ledger.reading import read_any, read_keys
from engine.ledger.verify import verify_ledger
from engine.policy import Rules
from engine.proof import is_proof
from engine.signing import Ed25519Verifier
from engine.topology import Manifest
from engine.vocabulary import Certificate

__all__ = ["add_arguments", "export", "run", "verify"]


DYNAMODB = "dynamodb:"
"""Begins what names a table instead of a file; policy.toml and fleet.toml then lie right here."""


class Failed(Exception):
    """Something does not hold; the message is the finding."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="KEYS",
        help="a genesis.json, or a list of them (default: those pinned on this machine)",
    )
    parser.add_argument(
        "--unsealed",
        action="store_true",
        help="accept a ledger that is still being written: its end is then not proven",
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="also write a ledger that verifies in its canonical form: the same bytes everywhere",
    )
    parser.add_argument(
        "path",
        type=Path,
        metavar="LEDGER|CERTIFICATE|EVIDENCE",
        help="the file to check, or dynamodb:TABLE[/CLUSTER] for a ledger's copy",
    )


def run(args: argparse.Namespace) -> int:
    """Check one file and say what was found, a line a finding."""
    try:
        for line in verify(args.path, args.trust, unsealed=args.unsealed):
            print(f"ok    {line}")
        if args.export is not None:
            print(f"ok    {export(args.path, args.export)}")
    except (Failed, Malformed) as error:
        print(f"FALSE {error}")
        raise CommandError(f"{args.path} does not verify") from None
    return 0


def verify(path: Path, trust: Path | None, *, unsealed: bool = False) -> Iterator[str]:
    """What holds of the file at ``path``, finding by finding.

    Raises:
        Failed: something does not hold, and so the rest proves nothing.
        Malformed: a file that is needed cannot be read.
    """
    found = _read(path)
    match found:
        case Export():
            yield from _verify_ledger(found, path, trust, unsealed=unsealed)
        case Certificate():
            yield from _verify_certificate(found, path, trust)
        case Evidence():
            yield from _verify_evidence(found, path, trust)


def export(ledger: Path, target: Path) -> str:
    """Write ``ledger`` in its canonical form; says where.

    Raises:
        Failed: the file holds no ledger.
        Malformed: it cannot be read.
    """
    found = _read(ledger)
    if not isinstance(found, Export):
        raise Failed("only a ledger can be exported")
    write_export(target, found.genesis, found.entries, found.seal)
    return f"exported to {target}"


def _read(path: Path) -> Export | Certificate | Evidence:
    """What ``path`` holds: a file, or the copy of a ledger in a DynamoDB table.

    Raises:
        Failed: the table cannot be read, or holds several ledgers.
        Malformed: it is nothing that can be verified.
    """
    if not str(path).startswith(DYNAMODB):
        return read_any(path)
    # boto3 takes half a second to import: only for those who need it.
    from engine.aws.clients import AWS_ERRORS, client, code_of
    from engine.ledger.dynamodb import clusters_in, read_mirror

    table, _, cluster = str(path).removeprefix(DYNAMODB).partition("/")
    try:
        dynamodb = client("dynamodb")
        found = [it for it in clusters_in(dynamodb, table) if it.hex().startswith(cluster)]
        if len(found) != 1:
            names = ", ".join(it.hex()[:12] for it in found) or "none"
            raise Failed(f"{table}: name one ledger, dynamodb:{table}/CLUSTER; there are: {names}")
        return read_mirror(dynamodb, table, found[0])
    except AWS_ERRORS as error:
        raise Failed(f"{table}: {code_of(error)}: {error}") from None


# --- whom to trust --------------------------------------------------------------------------------


def _trusted(trust: Path | None) -> tuple[list[Genesis], str]:
    """The geneses to trust, and where they come from in words."""
    if trust is not None:
        return read_keys(trust), f"in {trust}"
    folder = trust_folder()
    pinned = [genesis for path in sorted(folder.glob("*.json")) for genesis in read_keys(path)]
    if not pinned:
        raise Failed(f"no keys are pinned in {folder}; name those to trust with --trust KEYS")
    return pinned, f"pinned on this machine in {folder}"


def _trusted_genesis(cluster: bytes, trust: Path | None) -> tuple[Genesis, str]:
    """The trusted genesis whose digest is the cluster's id: it then holds for every byte of it."""
    geneses, source = _trusted(trust)
    for genesis in geneses:
        if genesis.cluster == cluster:
            return genesis, (
                f"cluster {cluster.hex()[:12]} ({genesis.name}, {genesis.n} agents, "
                f"quorum {genesis.quorum}): its keys are {source}"
            )
    raise Failed(
        f"cluster {cluster.hex()[:12]} is none of the {len(geneses)} whose keys are {source}: "
        "a key was replaced, or it is another cluster's"
    )


def _constitutions(genesis: Genesis, path: Path) -> Sequence[Genesis]:
    """The genesis and what the charters beside ``path`` prove to follow from it, epoch by epoch."""
    for folder in (path.absolute().parent, path.absolute().parent.parent):
        if (folder / CHARTERS).is_file():
            return read_charters(folder / CHARTERS, genesis, Ed25519Verifier())
    return [genesis]


def _epoch_in_words(charter: Genesis, before: Genesis, founding: Rules) -> str:
    return (
        f"epoch {charter.epoch} from entry {charter.base[0] + 1} on, ordered by an operator under "
        f"the quorum of epoch {before.epoch}: {difference_in_words(charter, before, founding)}"
    )


# --- a ledger -------------------------------------------------------------------------------------


def _verify_ledger(
    export: Export, path: Path, trust: Path | None, *, unsealed: bool
) -> Iterator[str]:
    genesis, trusted = _trusted_genesis(export.genesis.cluster, trust)
    yield trusted
    verifier = Ed25519Verifier()
    seal = export.seal
    if unsealed and seal is not None and seal.sequence_number != len(export.entries):
        seal = None
    try:
        report = verify_ledger(
            genesis,
            export.entries,
            seal,
            genesis.author_keys(),
            verifier,
            require_seal=not unsealed,
        )
    except Unproven as error:
        raise Failed(str(error)) from None
    end = "a quorum sealed its end" if report.sealed else "its end is NOT sealed"
    yield f"{report.entries} entries, each committed by a quorum; chain and signatures hold; {end}"
    rules, manifest = _constitution(path, genesis)
    yield "policy, catalogue and fleet manifest are those that genesis pins"
    for charter in report.constitutions[1:]:
        yield _epoch_in_words(charter, report.constitutions[charter.epoch - 1], rules)
    audit = Auditor(genesis, rules, manifest, verifier).audit(
        report.submissions, report.constitutions
    )
    if audit.objections:
        more = len(audit.objections) - 1
        raise Failed(audit.objections[0] + (f" (and {more} more like it)" if more else ""))
    yield (
        f"{len(report.submissions)} submissions folded again: {audit.incidents} incidents, "
        f"{len(audit.certificates)} certificates, each signed by a quorum"
    )
    for certificate in audit.certificates:
        yield _in_words(certificate)
    yield f"{audit.actions} reports of the actuator, each on a step of a complete certificate"


def _constitution(ledger: Path, genesis: Genesis) -> tuple[Rules, Manifest]:
    """The policy and the manifest that lie beside a ledger, or above it in a run's folder."""
    for folder in (ledger.absolute().parent, ledger.absolute().parent.parent):
        policy, manifest = folder / "policy.toml", folder / "fleet.toml"
        if policy.is_file() and manifest.is_file():
            return check_pins(genesis, policy, manifest)
    raise Failed(
        f"{ledger.parent}: no policy.toml and fleet.toml beside the ledger; "
        "copy them there from its run, so that the council's fold can be run again"
    )


# --- a certificate, an evidence -------------------------------------------------------------------


def _verify_certificate(certificate: Certificate, path: Path, trust: Path | None) -> Iterator[str]:
    genesis, trusted = _trusted_genesis(certificate.body.cluster, trust)
    yield trusted
    epochs = _constitutions(genesis, path)
    if not 0 <= certificate.body.epoch < len(epochs):
        raise Failed(
            f"the certificate is of epoch {certificate.body.epoch}; beside it only charters up to "
            f"epoch {len(epochs) - 1} are proven: copy the run's {CHARTERS} there"
        )
    objection = objection_to(certificate, epochs[certificate.body.epoch], Ed25519Verifier())
    if objection:
        raise Failed(f"the certificate {objection}")
    yield _in_words(certificate)


def _verify_evidence(evidence: Evidence, path: Path, trust: Path | None) -> Iterator[str]:
    """An evidence names no cluster beside its messages: any trusted one may be theirs."""
    geneses, source = _trusted(trust)
    for genesis in geneses:
        constitutions = _constitutions(genesis, path)
        if is_proof(evidence, constitutions, Ed25519Verifier()):
            yield (
                f"{evidence.culprit} of cluster {genesis.cluster.hex()[:12]} is convicted of "
                f"{evidence.kind}; its keys are {source}"
            )
            return
    raise Failed(f"the two messages convict nobody of the {len(geneses)} clusters {source}")


def _in_words(certificate: Certificate) -> str:
    body = certificate.body
    return (
        f"certificate {certificate_digest(body).hex()[:12]}: {body.incident}, attempt "
        f"{body.attempt}, decided at entry {body.sequence_number}, "
        f"signed by {', '.join(sorted(certificate.signatures))}"
    )
