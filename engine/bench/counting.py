"""Signatures that a run makes and checks, noted while it works and done again bare: the floor."""

from time import process_time

from engine.signing import Domain, Ed25519Signer, Ed25519Verifier


class Tally:
    """Every signature that was made or checked since the last ``clear``."""

    def __init__(self) -> None:
        """Start empty."""
        self.signed: list[tuple[Ed25519Signer, Domain, bytes]] = []
        self.checked: list[tuple[bytes, Domain, bytes, bytes]] = []

    def clear(self) -> None:
        """Forget what was noted."""
        self.signed.clear()
        self.checked.clear()

    def floor_s(self) -> float:
        """Processor seconds that exactly these signatures and checks cost, and nothing else."""
        verifier = Ed25519Verifier()
        for public_key, domain, _, _ in self.checked[:1]:
            verifier.verify(public_key, domain, b"", bytes(64))
        started = process_time()
        for signer, domain, payload in self.signed:
            signer.sign(domain, payload)
        for public_key, domain, payload, signature in self.checked:
            verifier.verify(public_key, domain, payload, signature)
        return process_time() - started


class CountingSigner:
    """A signer that notes what it signs."""

    def __init__(self, signer: Ed25519Signer, tally: Tally) -> None:
        """Sign with ``signer``."""
        self._signer = signer
        self._tally = tally

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify what ``sign`` returns."""
        return self._signer.public_key

    def sign(self, domain: Domain, payload: bytes) -> bytes:
        """A 64-byte signature over ``payload`` in ``domain``."""
        self._tally.signed.append((self._signer, domain, payload))
        return self._signer.sign(domain, payload)


class CountingVerifier:
    """A verifier that notes what it is asked."""

    def __init__(self, tally: Tally) -> None:
        """Verify as one process of its own would."""
        self._verify = Ed25519Verifier().verify
        self._note = tally.checked.append

    def verify(self, public_key: bytes, domain: Domain, payload: bytes, signature: bytes) -> bool:
        """Whether ``signature`` over ``payload`` in ``domain`` was made by ``public_key``."""
        self._note((public_key, domain, payload, signature))
        return self._verify(public_key, domain, payload, signature)
