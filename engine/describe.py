"""What operations say, in words made from typed values alone (pure)."""

from collections.abc import Iterable

from engine.act.catalogue import tag_of
from engine.council import Happening
from engine.vocabulary import (
    Acted,
    Action,
    Anomaly,
    Approved,
    Assessed,
    Certified,
    Configured,
    Convicted,
    Corroborated,
    Deploy,
    Diagnosed,
    Elapsed,
    Evidence,
    Frozen,
    Hypothesis,
    Noted,
    Opened,
    Operation,
    Plan,
    Probed,
    Proposed,
    Recovered,
    Refused,
    Replaced,
    RestartService,
    RollBack,
    Signal,
    SignalKind,
    TakenOver,
    Thawed,
    Undone,
    UndoRequested,
    Warned,
    Worse,
)

MOST_NAMED = 3
"""Anomalies and hypotheses that one line names; the rest is counted."""


def tag(operation: Operation) -> str:
    """The operation's name on the wire."""
    return str(operation.__struct_config__.tag)


def describe(operation: Operation) -> str:  # noqa: C901 -- one line an operation
    """One line about ``operation``, without its author."""
    match operation:
        case Opened(anomalies=anomalies) | Corroborated(anomalies=anomalies):
            return anomalies_in_words(anomalies)
        case Diagnosed(hypotheses=hypotheses):
            return hypotheses_in_words(hypotheses) or "inconclusive"
        case Warned(signal=signal):
            return f"{signal_in_words(signal)} will cross its limit"
        case Proposed(plan=plan):
            return plan_in_words(plan)
        case Assessed(verdict=verdict, score_permille=score, evidence=evidence):
            because = f": {evidence_in_words(evidence[0])}" if evidence else ""
            return f"{verdict}s, {score / 1000:.2f}{because}"
        case Approved() | Refused() | UndoRequested():
            return f"plan {operation.plan.hex()[:12]}"
        case Frozen() | Thawed() | TakenOver() | Worse() | Recovered() | Certified():
            return ""
        case Noted(text=text):
            return text
        case Probed(subject=subject, green=green, held_ms=held_ms):
            return f"{subject} {'green' if green else 'red'} for {held_ms / 1000:.0f} s"
        case Acted(step=step, outcome=outcome, generation=run):
            pid = f", now pid {run.pid} release {run.release}" if run else ""
            return f"step {step + 1} {outcome}{pid}"
        case Undone(step=step, outcome=outcome):
            return f"undo step {step + 1} {outcome}"
        case Elapsed(step=step):
            return f"time to {step} is over"
        case Convicted(culprit=culprit, kind=kind):
            return f"{culprit} of {kind}"
        case Replaced(agent=agent):
            return f"a new key for {agent}"
        case Configured():
            return "other policy, catalogue or manifest"


def happening_in_words(happening: Happening) -> str:
    """One line about what followed from an operation."""
    if happening.operation is None:
        return happening.note
    return describe(happening.operation)


def anomalies_in_words(anomalies: Iterable[Anomaly]) -> str:
    """The likeliest anomalies, and how many more."""
    found = list(anomalies)
    named = [
        f"{signal_in_words(anomaly.signal)} {_amount(anomaly)}" for anomaly in found[:MOST_NAMED]
    ]
    if len(found) > MOST_NAMED:
        named.append(f"{len(found) - MOST_NAMED} more")
    return ", ".join(named)


def _amount(anomaly: Anomaly) -> str:
    if anomaly.signal.kind is SignalKind.LIVENESS:
        return "gone"
    return f"{anomaly.observed_permille / 10:.0f} % (habit {anomaly.expected_permille / 10:.0f} %)"


def signal_in_words(signal: Signal) -> str:
    """For instance ``orders→payments errors``."""
    call = f"{signal.caller}→{signal.service}" if signal.caller else str(signal.service)
    return f"{call} {signal.kind}"


def evidence_in_words(evidence: Evidence) -> str:
    """The signal or the log template that moved somebody, and which way."""
    what = evidence.template or signal_in_words(evidence.signal)
    return f"{what} speaks {'for' if evidence.weight_permille >= 0 else 'against'} it"


def hypothesis_in_words(hypothesis: Hypothesis) -> str:
    """For instance ``payments crash 0.97``."""
    return f"{hypothesis.service} {hypothesis.kind} {hypothesis.probability_permille / 1000:.2f}"


def hypotheses_in_words(hypotheses: Iterable[Hypothesis]) -> str:
    """The best hypotheses, best first."""
    return ", ".join(hypothesis_in_words(found) for found in list(hypotheses)[:MOST_NAMED])


def action_in_words(action: Action) -> str:
    """What an action would do, to what."""
    match action:
        case RestartService(service=service, generation=run):
            return f"restart {service} (pid {run.pid})"
        case RollBack(service=service, generation=run, to_release=release):
            return f"roll {service} back from {run.release} to {release}"
        case Deploy(service=service, to_release=release):
            return f"deploy {service} {release}"


def plan_in_words(plan: Plan) -> str:
    """Actions, risk and undo of a plan."""
    actions = " then ".join(action_in_words(action) for action in plan.actions)
    undo = " then ".join(tag_of(action) for action in plan.undo) or "none"
    return f"{actions} · risk {plan.risk} · undo {undo}"
