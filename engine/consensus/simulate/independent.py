"""A second opinion on commit certificates, sharing no code with the core that made them.

It reads MessagePack without the core's types, derives the quorum by trying, and hashes by hand:
a mistake in the core's own check cannot hide here.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from engine.genesis import Genesis
from engine.signing import Domain, Verifier
from engine.vocabulary import Certificate, Entry

_CONSENSUS = Domain("incident-commander/1/consensus")
_CERTIFICATE = Domain("incident-commander/1/certificate")


def smallest_quorum(n: int, f: int) -> int:
    """The least q of which any two share an honest replica, found by trying."""
    return next(q for q in range(1, n + 1) if 2 * q - n > f)


class Notary:
    """Checks entries and certificates of one cluster."""

    def __init__(self, genesis: Genesis, verifier: Verifier, quorum: int | None = None) -> None:
        """``genesis`` is the constitution of one epoch."""
        self._cluster = genesis.cluster
        self._epoch = genesis.epoch
        self._keys = tuple(member.public_key for member in genesis.agents)
        self._by_name = {str(member.id): member.public_key for member in genesis.agents}
        self._quorum = quorum or smallest_quorum(genesis.n, genesis.f)
        self._verifier = verifier

    def objection_to_entry(self, entry: Entry) -> str:
        """Why a quorum did not commit ``entry``; empty when it did."""
        digest = self._digest(entry.batch)
        voters: set[int] = set()
        for frame in entry.commits:
            payload, signature = msgspec.msgpack.decode(frame)
            kind, cluster, epoch, replica, *place = msgspec.msgpack.decode(payload)
            if (kind, cluster, epoch) != ("commit", self._cluster, self._epoch):
                return f"a vote is a {kind} or of elsewhere"
            if place != [entry.view, entry.sequence_number, digest]:
                return f"the vote of {replica} is for something else"
            if not self._verifier.verify(self._keys[replica], _CONSENSUS, payload, signature):
                return f"the vote of {replica} is not signed by it"
            voters.add(replica)
        return self._too_few(len(voters))

    def objection_to_certificate(self, certificate: Certificate) -> str:
        """Why a quorum did not sign ``certificate``; empty when it did."""
        payload = msgspec.msgpack.encode(certificate.body)
        signatures: Mapping[str, bytes] = {
            str(agent): signature for agent, signature in certificate.signatures.items()
        }
        for agent, signature in signatures.items():
            if not self._verifier.verify(self._by_name[agent], _CERTIFICATE, payload, signature):
                return f"the signature of {agent} does not verify"
        return self._too_few(len(signatures))

    def _too_few(self, found: int) -> str:
        return "" if found >= self._quorum else f"{found} signed, {self._quorum} must"

    def _digest(self, batch: Sequence[bytes]) -> bytes:
        parts = (b"batch", self._cluster, self._epoch.to_bytes(8, "big"), *batch)
        return hashlib.sha256(b"".join(len(it).to_bytes(8, "big") + it for it in parts)).digest()
