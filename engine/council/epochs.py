"""From one epoch to the next: whose keys and which policy count, and how what is under way goes on.

The rule for changes and boundaries is ``engine.charter``'s, the same one by which replicas and
verifiers change keys; the council only keeps itself in step, clears what was held against agents
that are no more, and goes on by the new policy.
"""

from engine.charter import Change, Charter, difference_in_words, rules_of
from engine.council.closing import next_attempt
from engine.council.deciding import BEFORE_COUNCIL
from engine.council.docket import Docket, Ignored
from engine.council.state import IncidentStatus
from engine.policy import Automation, Rules, Spans
from engine.vocabulary import AuthorId, Replaced


def changed(docket: Docket, operation: Change, epoch: int) -> None:
    """Count an operator's order for a new key or policy; it has effect when the epoch ends."""
    objection = docket.changes.order(docket.sequence_number, docket.author, epoch, operation)
    if objection:
        raise Ignored(objection)
    what = operation.agent if isinstance(operation, Replaced) else "policy"
    docket.tell("changing", note=f"{what}: epoch ends at {docket.changes.boundary}")


def begin(docket: Docket, charter: Charter) -> None:
    """Begin the epoch of ``charter``."""
    old, keys = docket.genesis.agent_keys(), charter.agent_keys()
    successors = sorted(agent for agent, key in keys.items() if old[agent] != key)
    words = difference_in_words(charter, docket.genesis, docket.rules)
    before, docket.rules = docket.rules, rules_of(charter, docket.rules)
    docket.constitutions.append(charter)
    docket.changes = docket.changes.following(charter)
    # The lie was its predecessor's: whoever holds the new key has signed nothing yet.
    docket.convicted -= set(successors)
    docket.author = AuthorId("")
    docket.tell("epoch", note=f"epoch {charter.epoch}: {words}")
    for incident in docket.open_incidents:
        for proposal in incident.attempt.proposals.values():
            for agent in successors:
                # Its successor is somebody else, and may judge otherwise.
                proposal.assessments.pop(AuthorId(agent), None)
        if incident.status is IncidentStatus.DECIDED:
            # What was to be signed names the old epoch, in which nobody signs any more.
            next_attempt(docket, incident, "a new epoch began before it was certified")
        elif incident.status in BEFORE_COUNCIL and _judged_by(docket.rules) != _judged_by(before):
            # Whether it may be done, and until when, was answered by rules that count no more.
            next_attempt(docket, incident, "another policy counts for its plan")


def _judged_by(rules: Rules) -> tuple[Automation, Spans]:
    """What of the policy says whether a plan may be carried out, and how long it may live."""
    return rules.automation, rules.spans
