"""From assessments to a certificate: the vote, the operator's word, and the quorum's signatures."""

from engine.certificate import approval_digest, certificate_digest, plan_digest, undo_digest
from engine.codec import encode
from engine.council import voting
from engine.council.closing import hand_over, next_attempt
from engine.council.docket import Contradicted, Docket, Ignored
from engine.council.planning import action_digest
from engine.council.state import Incident, IncidentStatus, Proposal
from engine.signing import Domain
from engine.vocabulary import (
    AgentId,
    Approved,
    Assessed,
    Certificate,
    CertificateBody,
    Certified,
    Digest,
    Policy,
    Refused,
)

BEFORE_COUNCIL = frozenset({IncidentStatus.PROPOSED, IncidentStatus.AWAITING_APPROVAL})
"""A plan is before the council, and nothing is decided yet."""
_SIGNABLE = frozenset({IncidentStatus.DECIDED, IncidentStatus.CERTIFIED})


# --- the vote -------------------------------------------------------------------------------------


def assessed(docket: Docket, operation: Assessed) -> None:
    """Count one agent's answer to a proposal; a second, different one convicts its author."""
    incident = docket.incident(operation.incident)
    proposal = incident.attempt.proposals.get(operation.proposal)
    if proposal is None:
        raise Ignored("no such proposal in the attempt under way")
    given = proposal.assessments.get(docket.author)
    if given == operation:
        raise Ignored("this agent has assessed this proposal")
    if given is not None:
        raise Contradicted("this agent has assessed this proposal differently")
    if not 0 <= operation.score_permille <= 1000:
        raise Ignored("a score is 0 to 1000")
    proposal.assessments[docket.author] = operation
    try_to_decide(docket, incident)


def try_to_decide(docket: Docket, incident: Incident, why: str = "refused by the council") -> None:
    """Refuse what can no longer be carried; decide once every proposal is carried or refused.

    While one proposal is carried and another may still be, the council waits: that is what ranking
    is for. It cannot wait for ever, since f+1 ``Elapsed`` end the assessing.
    """
    if docket.frozen or incident.status not in BEFORE_COUNCIL:
        return
    attempt = incident.attempt
    for proposal in attempt.proposals.values():
        silenced = len(docket.convicted - proposal.assessments.keys())
        if voting.is_lost(proposal, attempt, docket.genesis, silenced):
            proposal.refused = True
    live = [proposal for proposal in attempt.proposals.values() if not proposal.refused]
    if not live:
        next_attempt(docket, incident, why)
    elif all(voting.is_carried(proposal, docket.genesis) for proposal in live):
        _choose(docket, incident, voting.by_merit(live, docket.genesis))


def _choose(docket: Docket, incident: Incident, carried: list[Proposal]) -> None:
    """Take the best plan that policy lets the swarm take, or ask the operator about the best."""
    modes = docket.rules.automation
    approved = [
        proposal
        for proposal in carried
        if proposal.approval is not None and modes.mode(proposal.plan.risk) is Policy.ASK
    ]
    best = (approved or carried)[0]
    match modes.mode(best.plan.risk):
        case Policy.OBSERVE:
            incident.attempt.chosen = best.digest
            hand_over(docket, incident, "policy is observe")
        case Policy.ASK if not approved:
            if incident.status is not IncidentStatus.AWAITING_APPROVAL:
                incident.move(IncidentStatus.AWAITING_APPROVAL)
                docket.tell("awaiting approval", incident.key)
        case Policy.ASK | Policy.AUTO:
            _decide(docket, incident, best)


def _decide(docket: Docket, incident: Incident, proposal: Proposal) -> None:
    """Fix what every agent is to sign: one body an attempt, and never another."""
    attempt = incident.attempt
    assert attempt.body is None, "an attempt is decided once"
    attempt.chosen = proposal.digest
    attempt.body = CertificateBody(
        cluster=docket.genesis.cluster,
        epoch=docket.genesis.epoch,
        sequence_number=docket.sequence_number,
        incident=incident.key,
        attempt=attempt.number,
        plan=plan_digest(proposal.plan),
        undo=undo_digest(proposal.plan),
        policy=docket.rules.digest,
        approval=approval_digest(proposal.approval),
        not_after_ms=proposal.plan.not_after_ms,
    )
    incident.move(IncidentStatus.DECIDED)
    docket.tell("decided", incident.key)


# --- the operator's word --------------------------------------------------------------------------


def approved(docket: Docket, operation: Approved) -> None:
    """Take an operator's yes to exactly the plan that he saw."""
    incident = docket.seen(operation.incident, operation.version)
    proposal = _put_to_operator(incident, operation.plan)
    if operation.not_after_ms != proposal.plan.not_after_ms:
        raise Ignored("its expiry is not the plan's")
    proposal.approval = operation
    try_to_decide(docket, incident)


def refused(docket: Docket, operation: Refused) -> None:
    """Take an operator's no to exactly the plan that he saw; another plan may still be carried."""
    incident = docket.seen(operation.incident, operation.version)
    proposal = _put_to_operator(incident, operation.plan)
    proposal.refused = True
    incident.move(IncidentStatus.PROPOSED)
    try_to_decide(docket, incident, "refused by an operator")


def _put_to_operator(incident: Incident, plan: Digest) -> Proposal:
    if incident.status not in BEFORE_COUNCIL:
        raise Ignored(f"the incident is {incident.status}")
    for proposal in incident.attempt.proposals.values():
        if plan_digest(proposal.plan) == plan and not proposal.refused:
            return proposal
    raise Ignored("no live proposal has this plan")


# --- the certificate ------------------------------------------------------------------------------


def certified(docket: Docket, operation: Certified) -> None:
    """Count one agent's signature; the first quorum of them in the log is the certificate."""
    incident = docket.incident(operation.incident)
    attempt, agent = incident.attempt, AgentId(docket.author)
    body = attempt.body
    if body is None or attempt.chosen != operation.proposal:
        raise Ignored("nothing is decided about this proposal")
    if incident.status not in _SIGNABLE:
        raise Ignored(f"the incident is {incident.status}")
    if operation.body != certificate_digest(body):
        raise Ignored("another body than the fold's")
    if agent in attempt.signatures:
        raise Ignored("this agent has certified this decision")
    if body.epoch != docket.genesis.epoch:
        raise Ignored("it was decided in an older epoch")
    key = docket.genesis.agent_keys()[agent]
    if not docket.verifier.verify(key, Domain.CERTIFICATE, encode(body), operation.signature):
        raise Ignored("the signature does not verify")
    attempt.signatures[agent] = operation.signature
    if len(attempt.signatures) == docket.genesis.quorum:
        _complete(docket, incident, body, attempt.proposals[operation.proposal])


def _complete(
    docket: Docket, incident: Incident, body: CertificateBody, proposal: Proposal
) -> None:
    attempt = incident.attempt
    attempt.certificate = Certificate(body, proposal.plan, dict(attempt.signatures))
    for action in proposal.plan.actions:
        digest = action_digest(action)
        incident.tried[digest] = incident.tried.get(digest, 0) + 1
    incident.move(IncidentStatus.CERTIFIED)
    docket.tell("certificate", incident.key)
