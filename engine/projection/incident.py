"""The incident that the screens are about, as a row (pure)."""

from engine.certificate import plan_digest
from engine.council import Council, IncidentStatus, voting
from engine.council.state import Incident, Proposal
from engine.projection.story import Story
from engine.stream.state import IncidentRow
from engine.vocabulary import Policy, Verdict
from engine.wording import actions_in_words, hypothesis_in_words, signal_in_words

LINGER_MS = 600_000
"""A closed incident stays on the screens for ten minutes."""
LINGER_UNFOUNDED_MS = 15_000
"""One that nobody else saw goes sooner."""
_ANSWERABLE = frozenset({IncidentStatus.PROPOSED, IncidentStatus.AWAITING_APPROVAL})


def incident_to_show(council: Council, story: Story, now_ms: int) -> Incident | None:
    """The oldest incident that more than one agent sees; else the newest claim, else the newest end."""
    open_ones = council.open_incidents
    founded = [it for it in open_ones if it.status is not IncidentStatus.CLAIMED]
    if founded:
        return founded[0]
    if open_ones:
        return open_ones[-1]
    for incident in reversed(council.incidents.values()):
        linger = LINGER_UNFOUNDED_MS if incident.status is IncidentStatus.UNFOUNDED else LINGER_MS
        closed_ms = story.closed_ms.get(incident.key)
        if closed_ms is not None and now_ms - closed_ms <= linger:
            return incident
    return None


def proposal_to_show(incident: Incident, council: Council) -> Proposal | None:
    """The plan that was chosen, that waits for a person, or that the council is judging."""
    attempt = incident.attempt
    if attempt.chosen is None and incident.status is IncidentStatus.AWAITING_APPROVAL:
        waiting = [it for it in attempt.proposals.values() if not it.refused]
        if waiting:
            return voting.by_merit(waiting, council.genesis)[0]
    return attempt.live


def incident_row(
    incident: Incident, proposal: Proposal | None, council: Council, story: Story
) -> IncidentRow:
    """What screens show of ``incident``."""
    plan = proposal.plan if proposal is not None else None
    diagnosis = incident.last_diagnosis
    hypotheses = diagnosis.hypotheses if diagnosis is not None else ()
    accepts = proposal.count(Verdict.ACCEPT) if proposal is not None else 0
    rejects = proposal.count(Verdict.REJECT) if proposal is not None else 0
    certificate = incident.attempt.certificate
    return IncidentRow(
        key=incident.key,
        title=_title(incident),
        status=incident.status,
        version=incident.version,
        attempt=incident.attempt.number,
        opened_ms=story.opened_ms.get(incident.key, 0),
        closed_ms=story.closed_ms.get(incident.key, 0),
        hypotheses=tuple(hypothesis_in_words(hypothesis) for hypothesis in hypotheses),
        plan=actions_in_words(plan) if plan is not None else "",
        plan_digest=plan_digest(plan).hex() if plan is not None else "",
        risk=plan.risk if plan is not None else "",
        blast_radius=tuple(plan.blast_radius) if plan is not None else (),
        not_after_ms=plan.not_after_ms if plan is not None else 0,
        needs_approval=_needs_approval(incident, proposal, council),
        accepts=accepts,
        rejects=rejects,
        threshold=voting.threshold_of(plan.risk, council.genesis) if plan is not None else 0,
        certificate=story.certificates[incident.key].hex()
        if certificate is not None and incident.key in story.certificates
        else "",
    )


def _title(incident: Incident) -> str:
    diagnosis = incident.last_diagnosis
    if diagnosis is not None and diagnosis.hypotheses:
        best = diagnosis.hypotheses[0]
        return f"{best.service} {best.kind}"
    if incident.anomalies:
        worst = max(incident.anomalies, key=lambda anomaly: anomaly.likelihood_permille)
        return f"{incident.subject}: {signal_in_words(worst.signal)}"
    return incident.subject


def _needs_approval(incident: Incident, proposal: Proposal | None, council: Council) -> bool:
    if proposal is None or proposal.refused or proposal.approval is not None:
        return False
    mode = council.rules.automation.mode(proposal.plan.risk)
    return mode is Policy.ASK and incident.status in _ANSWERABLE
