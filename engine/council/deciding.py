"""How assessments become a decision: thresholds, refusal and the choice among proposals (pure)."""

from engine.council.state import Attempt, Proposal
from engine.genesis import Genesis
from engine.vocabulary import Risk, Step, Verdict


def threshold_of(risk: Risk, genesis: Genesis) -> int:
    """Accepts that a plan needs: 2f+1 for low and medium risk, the quorum for high."""
    return genesis.quorum if risk is Risk.HIGH else 2 * genesis.f + 1


def merit_of(proposal: Proposal, f: int) -> int:
    """The (f+1)-th lowest score given to a proposal, per mille.

    At least one honest agent scored it no higher, so f liars cannot lift it; the proposer's own
    confidence counts no more than any other agent's.
    """
    scores = sorted(given.score_permille for given in proposal.assessments.values())
    return scores[min(f, len(scores) - 1)] if scores else 0


def is_carried(proposal: Proposal, genesis: Genesis) -> bool:
    """Whether enough agents accept it."""
    return proposal.count(Verdict.ACCEPT) >= threshold_of(proposal.plan.risk, genesis)


def is_lost(proposal: Proposal, attempt: Attempt, genesis: Genesis, silenced: int) -> bool:
    """Whether the threshold can no longer be reached.

    ``silenced`` agents (convicted, and without an assessment) cannot add to it. Once f+1 agents
    say that assessing has had its time, whoever is silent has abstained.
    """
    if attempt.elapsed.get(Step.ASSESS) and len(attempt.elapsed[Step.ASSESS]) > genesis.f:
        missing = 0
    else:
        missing = genesis.n - len(proposal.assessments) - silenced
    possible = proposal.count(Verdict.ACCEPT) + missing
    return possible < threshold_of(proposal.plan.risk, genesis)


def best_carried(attempt: Attempt, genesis: Genesis) -> Proposal | None:
    """The carried proposal of highest merit; the smaller digest breaks a tie."""
    carried = [
        proposal
        for proposal in attempt.proposals.values()
        if not proposal.refused and is_carried(proposal, genesis)
    ]
    if not carried:
        return None
    return min(carried, key=lambda proposal: (-merit_of(proposal, genesis.f), proposal.digest))
