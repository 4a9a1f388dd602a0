"""``main.py verify``: check a ledger or a certificate offline, trusting only public keys."""

import argparse
from pathlib import Path

import msgspec

from engine import genesis as genesis_file
from engine.certificate import certificate_digest, objection_to
from engine.cli import CommandError
from engine.codec import Malformed
from engine.founding import trust_folder
from engine.genesis import Genesis
from engine.ledger.audit import Doubtful, audit_ledger
from engine.signing import Ed25519Verifier
from engine.vocabulary import Certificate

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "proof", type=Path, metavar="LEDGER", help="a ledger, its export, or a certificate"
    )
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="KEYS",
        help="a genesis.json whose keys are trusted, or a folder of them "
        "(default: those pinned on this machine when their cluster was founded)",
    )


def run(args: argparse.Namespace) -> int:
    """Check it; 0 when everything holds, 1 when something does not."""
    keys: Path = args.trust or trust_folder()
    trusted = trusted_in(keys)
    print(f"trusting {len(trusted)} cluster(s) from {keys}")
    if args.proof.suffix == ".json":
        return _certificate(args.proof, trusted)
    try:
        audit = audit_ledger(args.proof, trusted, args.proof.parent)
    except Doubtful as error:
        print(f"✖ REFUSED   {error}")
        return 1
    print(f"✓ cluster   {audit.cluster.hex()}")
    print(f"✓ entries   {audit.entries}, each with a quorum's commit certificate, head attested")
    print(f"✓ authors   {audit.submissions} submissions, every signature good")
    print(
        f"✓ actions   {audit.actions} under {audit.certificates} certificates, {audit.incidents} incidents"
    )
    print(f"✓ head      {audit.chain.hex()}")
    return 0


def trusted_in(keys: Path) -> list[Genesis]:
    """The constitutions in one file, or in all files of a folder.

    Raises:
        CommandError: there is none.
    """
    files = sorted(keys.glob("*.json")) if keys.is_dir() else [keys]
    try:
        found = [genesis_file.read(file) for file in files]
    except Malformed as error:
        raise CommandError(str(error)) from None
    if not found:
        raise CommandError(f"{keys}: no keys to trust; give a genesis.json with --trust")
    return found


def _certificate(path: Path, trusted: list[Genesis]) -> int:
    try:
        certificate = msgspec.json.decode(path.read_bytes(), type=Certificate)
    except (OSError, msgspec.DecodeError) as error:
        raise CommandError(f"{path}: no certificate: {error}") from None
    verifier = Ed25519Verifier()
    objections = {objection_to(certificate, genesis, verifier) for genesis in trusted}
    if "" in objections:
        print(f"✓ certificate {certificate_digest(certificate.body).hex()} holds")
        return 0
    print(f"✖ REFUSED   {path}: it {'; '.join(sorted(objections))}")
    return 1
