"""Certificates: the quorum of signatures that lets the actuator act, and how to check one (pure)."""

from engine.codec import NO_DIGEST, digest_of, encode
from engine.genesis import Genesis
from engine.signing import Domain, Signer, Verifier
from engine.vocabulary import Approved, Certificate, CertificateBody, Digest, Plan


def plan_digest(plan: Plan) -> Digest:
    """What an operator approves and a certificate names."""
    return digest_of("plan", encode(plan))


def undo_digest(plan: Plan) -> Digest:
    """The plan's undo, named by the certificate that authorises both."""
    return digest_of("undo", encode(plan.undo))


def approval_digest(approved: Approved | None) -> Digest:
    """An operator's approval; zeros where policy asks for none."""
    return NO_DIGEST if approved is None else digest_of("approval", encode(approved))


def certificate_digest(body: CertificateBody) -> Digest:
    """The name of a certificate: what is acted on at most once per step."""
    return digest_of("certificate", encode(body))


def sign_body(body: CertificateBody, signer: Signer) -> bytes:
    """One agent's signature over ``body``."""
    return signer.sign(Domain.CERTIFICATE, encode(body))


def objection_to(certificate: Certificate, genesis: Genesis, verifier: Verifier) -> str:
    """Why ``certificate`` proves nothing; empty when a quorum of this cluster signed it."""
    body = certificate.body
    if body.cluster != genesis.cluster:
        return "is of another cluster"
    if body.epoch != genesis.epoch:
        return f"is of epoch {body.epoch}, not {genesis.epoch}"
    if body.policy != genesis.policy:
        return "was made under another policy"
    if body.plan != plan_digest(certificate.plan):
        return "does not name this plan"
    if body.undo != undo_digest(certificate.plan):
        return "does not name this plan's undo"
    if body.not_after_ms != certificate.plan.not_after_ms:
        return "ends at another time than its plan"
    keys, payload = genesis.agent_keys(), encode(body)
    signers = {
        agent
        for agent, signature in certificate.signatures.items()
        if agent in keys and verifier.verify(keys[agent], Domain.CERTIFICATE, payload, signature)
    }
    if len(signers) < genesis.quorum:
        return f"has {len(signers)} valid signatures; the quorum is {genesis.quorum}"
    return ""
