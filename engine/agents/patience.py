"""How long an agent waits for each step before it says ``Elapsed`` (pure)."""

from engine.council import Incident, IncidentStatus
from engine.policy import Patience
from engine.vocabulary import Step

PAST_THE_END_MS = 1_000
"""Beyond a plan's end, for clocks that differ: the actuator's may be behind ours."""


def deadlines(incident: Incident, patience: Patience, entered_ms: int) -> list[tuple[Step, int]]:
    """The steps that are awaited, and how long after the status was entered each is over.

    ``entered_ms`` is the Unix time at which the agent saw the incident enter its status.
    """
    match incident.status:
        case IncidentStatus.CLAIMED:
            return [(Step.CORROBORATE, patience.corroborate_ms)]
        case IncidentStatus.OPEN:
            propose_ms = patience.diagnose_ms + patience.propose_ms
            return [
                (Step.DIAGNOSE, patience.diagnose_ms),
                (Step.PROPOSE, propose_ms),
                (Step.PLAN, propose_ms + patience.assess_ms),
            ]
        case IncidentStatus.DIAGNOSED:
            return [
                (Step.PROPOSE, patience.propose_ms),
                (Step.PLAN, patience.propose_ms + patience.assess_ms),
            ]
        case IncidentStatus.PROPOSED:
            return [(Step.ASSESS, patience.assess_ms)]
        case IncidentStatus.AWAITING_APPROVAL:
            return [(Step.APPROVE, to_end_ms(incident, entered_ms))]
        case IncidentStatus.DECIDED:
            # One liar can keep the last signature of a certificate back until it suits him:
            # before another attempt may begin, this one must be over for the actuator too.
            return [(Step.CERTIFY, max(patience.certify_ms, to_end_ms(incident, entered_ms)))]
        case IncidentStatus.CERTIFIED:
            # The actuator refuses after not_after; only then may the council go on without it.
            return [(Step.ACT, to_end_ms(incident, entered_ms))]
        case IncidentStatus.UNDOING:
            return [(Step.UNDO, max(patience.recover_ms, to_end_ms(incident, entered_ms)))]
        case IncidentStatus.ACTED:
            return [(Step.RECOVER, patience.recover_ms)]
        case _:
            return []


def to_end_ms(incident: Incident, entered_ms: int) -> int:
    """From ``entered_ms`` until nobody may carry the live plan out any more."""
    live = incident.attempt.live
    if live is None:
        return PAST_THE_END_MS
    return max(0, live.plan.not_after_ms - entered_ms) + PAST_THE_END_MS
