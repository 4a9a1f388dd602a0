"""From one epoch to the next: who is replaced, and what that means for what is under way.

The rule for changes and boundaries is ``engine.charter``'s, the same one by which replicas and
verifiers change keys; the council only keeps itself in step and clears what was held against
agents that are no more.
"""

from engine.charter import Charter
from engine.council.closing import next_attempt
from engine.council.docket import Docket, Ignored
from engine.council.state import IncidentStatus
from engine.vocabulary import AuthorId, Replaced


def replaced(docket: Docket, operation: Replaced, epoch: int) -> None:
    """Count an operator's order for a new key; it has effect when the epoch ends."""
    objection = docket.changes.order(docket.sequence_number, docket.author, epoch, operation)
    if objection:
        raise Ignored(objection)
    docket.tell("changing", note=f"{operation.agent}: epoch ends at {docket.changes.boundary}")


def begin(docket: Docket, charter: Charter) -> None:
    """Begin the epoch of ``charter``."""
    old, changed = docket.genesis.agent_keys(), charter.agent_keys()
    successors = sorted(agent for agent, key in changed.items() if old[agent] != key)
    docket.constitutions.append(charter)
    docket.changes = docket.changes.following(charter)
    # The lie was its predecessor's: whoever holds the new key has signed nothing yet.
    docket.convicted -= set(successors)
    docket.author = AuthorId("")
    docket.tell("epoch", note=f"epoch {charter.epoch}: another key for {', '.join(successors)}")
    for incident in docket.open_incidents:
        for proposal in incident.attempt.proposals.values():
            for agent in successors:
                # Its successor is somebody else, and may judge otherwise.
                proposal.assessments.pop(AuthorId(agent), None)
        if incident.status is IncidentStatus.DECIDED:
            # What was to be signed names the old epoch, in which nobody signs any more.
            next_attempt(docket, incident, "a new epoch began before it was certified")
