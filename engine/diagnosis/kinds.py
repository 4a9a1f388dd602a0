"""What kind of thing is wrong with a service, given that it is the cause (pure)."""

from collections.abc import Sequence

from engine.diagnosis.calls import Trouble
from engine.diagnosis.evidence import Ground
from engine.diagnosis.facts import Fact, follows_change
from engine.senses.bayes import softmax
from engine.vocabulary import FaultKind

UNLIKELY = -4.0
IMPLAUSIBLE = -6.0
SHOWN = 4.0
WAITING = 5.0
"""Callers of a store that hangs wait for it, and then fail."""
TOLD_GONE = 5.0
"""By the orchestrator, once: that already beats mere errors; told twice, everything else."""
SURELY_GONE = 8.0
RELEASED = 7.0
RELEASED_AND_GONE = 12.0
"""A release that cannot even stay up is a bad release before it is a crash."""
RUNNING_OUT = 11.0
"""A release that leaks is mended like a bad one; what it does has a name of its own."""
PER_ANSWER = 3.0
MOST_ANSWERS = 9.0


def kinds(trouble: Trouble, fact: Fact, callers: Sequence[Trouble]) -> dict[FaultKind, float]:
    """How probable each kind of fault is.

    ``callers`` are those whose trouble may be told instead of a store's, which answers no request
    itself.
    """
    follows = follows_change(trouble, fact)
    witnesses = [trouble, *callers]
    late = max(witness.late_weight for witness in witnesses)
    failing = max(w.weight if w.ground is Ground.FAILURES else 0.0 for w in witnesses)
    waiting = WAITING if callers and late and failing else 0.0
    crash = SURELY_GONE if fact.gone >= 2 else max(TOLD_GONE * fact.gone, PER_ANSWER * fact.refused)
    hang = min(MOST_ANSWERS, PER_ANSWER * max(fact.silent, 2 * trouble.unanswered))
    released = RELEASED_AND_GONE if fact.gone else RELEASED
    weights = {
        FaultKind.CRASH: crash or UNLIKELY,
        FaultKind.HANG: UNLIKELY if fact.gone else max(waiting, hang),
        FaultKind.BAD_DEPLOY: released if follows else IMPLAUSIBLE,
        FaultKind.ERRORS: SHOWN if failing else 0.0,
        FaultKind.SLOW: SHOWN if late and not failing else 0.0,
        FaultKind.LEAK: RUNNING_OUT if fact.running_out else IMPLAUSIBLE,
    }
    return dict(zip(weights, softmax(list(weights.values())), strict=True))
