"""From a diagnosis to a proposal: what can be checked is checked here, not voted on."""

from collections import Counter

from engine import catalogue
from engine.certificate import plan_digest
from engine.codec import digest_of, encode
from engine.council import authority
from engine.council.docket import Docket, Ignored
from engine.council.state import Attempt, Incident, IncidentStatus, Proposal, proposal_digest
from engine.vocabulary import Action, Diagnosed, Digest, Plan, Proposed

_DIAGNOSABLE = frozenset({IncidentStatus.OPEN, IncidentStatus.DIAGNOSED})
_PLANNABLE = _DIAGNOSABLE | {IncidentStatus.PROPOSED}


def diagnosed(docket: Docket, operation: Diagnosed) -> None:
    """Take a ranking of hypotheses."""
    incident, attempt = docket.current(operation.incident, operation.attempt)
    if incident.status not in _DIAGNOSABLE:
        raise Ignored(f"the incident is {incident.status}")
    require_duty(docket, operation, attempt)
    if docket.author in attempt.diagnoses:
        raise Ignored("this agent has diagnosed this attempt")
    named = (*operation.hypotheses, *operation.ruled_out)
    if any(docket.manifest.spec(hypothesis.service) is None for hypothesis in named):
        raise Ignored("suspects a service that is not in the manifest")
    attempt.diagnoses[docket.author] = operation
    incident.move(IncidentStatus.DIAGNOSED)


def proposed(docket: Docket, operation: Proposed) -> None:
    """Put a plan to the council, if nothing that can be checked speaks against it."""
    incident, attempt = docket.current(operation.incident, operation.attempt)
    if incident.status not in _PLANNABLE:
        raise Ignored(f"the incident is {incident.status}")
    require_duty(docket, operation, attempt)
    plan = operation.plan
    if any(other.author == docket.author for other in attempt.proposals.values()):
        raise Ignored("this agent has proposed in this attempt")
    if any(plan_digest(other.plan) == plan_digest(plan) for other in attempt.proposals.values()):
        raise Ignored("the same plan was put to the council in this attempt")
    objection = catalogue.objection_to(plan, docket.manifest)
    if objection:
        raise Ignored(f"the plan {objection}")
    require_new(docket, incident, plan)
    digest = proposal_digest(docket.author, operation)
    attempt.proposals[digest] = Proposal(digest, docket.author, attempt.number, plan)
    incident.move(IncidentStatus.PROPOSED)


def require_duty(docket: Docket, operation: Diagnosed | Proposed, attempt: Attempt) -> None:
    """Leave another role's step to that role until f+1 agents say that it has had its time."""
    step = authority.needs_deputy(operation, docket.author, docket.genesis)
    if step is not None and not docket.says_enough(attempt.elapsed.get(step, ())):
        raise Ignored("another role's duty, and its time is not over")


def require_new(docket: Docket, incident: Incident, plan: Plan) -> None:
    """Refuse to try the same action on the same run more often than policy allows."""
    wanted = Counter(action_digest(action) for action in plan.actions)
    for digest, times in wanted.items():
        if incident.tried.get(digest, 0) + times > docket.rules.limits.repeats:
            raise Ignored("this action on this run was tried before in this incident")


def action_digest(action: Action) -> Digest:
    """The identity of an action together with its precondition: which run it acts on."""
    return digest_of("action", encode(action))
