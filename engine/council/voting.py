"""How assessments are counted: thresholds, when a plan is lost, and merit (pure arithmetic)."""

from engine.council.state import Attempt, Proposal
from engine.genesis import Genesis
from engine.vocabulary import Risk, Step, Verdict


def threshold_of(risk: Risk, genesis: Genesis) -> int:
    """Accepts that a plan needs: 2f+1 for low and medium risk, the quorum for high."""
    return genesis.quorum if risk is Risk.HIGH else 2 * genesis.f + 1


def merit_of(proposal: Proposal, f: int) -> int:
    """The (f+1)-th lowest score given to a proposal, per mille; who abstains gives none.

    At least one honest agent scored it no higher, so f liars cannot lift it; the proposer's own
    confidence counts no more than any other agent's.
    """
    scores = sorted(
        given.score_permille
        for given in proposal.assessments.values()
        if given.verdict is not Verdict.ABSTAIN
    )
    return scores[min(f, len(scores) - 1)] if scores else 0


def is_carried(proposal: Proposal, genesis: Genesis) -> bool:
    """Whether enough agents accept it."""
    return proposal.count(Verdict.ACCEPT) >= threshold_of(proposal.plan.risk, genesis)


def is_lost(proposal: Proposal, attempt: Attempt, genesis: Genesis, silenced: int) -> bool:
    """Whether the threshold can no longer be reached.

    ``silenced`` agents (convicted, and without an assessment) cannot add to it. Once f+1 agents
    say that assessing has had its time, whoever is silent has abstained.
    """
    if len(attempt.elapsed.get(Step.ASSESS, ())) > genesis.f:
        missing = 0
    else:
        missing = genesis.n - len(proposal.assessments) - silenced
    possible = proposal.count(Verdict.ACCEPT) + missing
    return possible < threshold_of(proposal.plan.risk, genesis)


def by_merit(proposals: list[Proposal], genesis: Genesis) -> list[Proposal]:
    """Best first; the smaller digest breaks a tie."""
    return sorted(proposals, key=lambda one: (-merit_of(one, genesis.f), one.digest))
