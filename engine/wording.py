"""Operations in words: made from typed values only, for timelines, ledgers and people (pure)."""

from datetime import UTC, datetime
from typing import assert_never

from engine.codec import Malformed
from engine.policy import ordered_rules
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
    OutcomeKind,
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
    Verdict,
    Warned,
    Worse,
)

MOST_NAMED = 2
"""Anomalies, hypotheses and reasons that are named; the others are counted."""
_OUTCOMES = {
    OutcomeKind.DONE: "done",
    OutcomeKind.NOT_DONE: "not done",
    OutcomeKind.UNKNOWN: "unknown whether done",
}


def describe(operation: Operation) -> str:  # noqa: C901 -- one line an operation
    """What ``operation`` says, without who says it and without its tag."""
    match operation:
        case Opened() | Corroborated():
            return _listed([anomaly_in_words(anomaly) for anomaly in operation.anomalies])
        case Diagnosed():
            return _diagnosis_in_words(operation)
        case Warned():
            at = _clock(operation.crosses_at_ms)
            span = f"{_clock(operation.earliest_ms)} to {_clock(operation.latest_ms)}"
            return f"{signal_in_words(operation.signal)} crosses its limit at {at} UTC ({span})"
        case Proposed():
            return plan_in_words(operation.plan)
        case Assessed():
            return _assessment_in_words(operation)
        case Approved() | Refused() | UndoRequested():
            return f"plan {operation.plan.hex()[:12]}, as of version {operation.version}"
        case Frozen():
            return "all automation stops"
        case Thawed():
            return "automation goes on"
        case TakenOver():
            return "the swarm only watches from here on"
        case Noted():
            return operation.text
        case Certified():
            return f"signs certificate {operation.body.hex()[:12]}"
        case Probed():
            colour = "green" if operation.green else "red"
            return f"{operation.subject} {colour} for {operation.held_ms / 1000:.0f} s"
        case Acted():
            run = f", now pid {operation.generation.pid}" if operation.generation else ""
            return f"step {operation.step + 1} {_OUTCOMES[operation.outcome]}{run}"
        case Undone():
            return f"undo of step {operation.step + 1} {_OUTCOMES[operation.outcome]}"
        case Worse():
            return f"its window looks worse than before{_attempt(operation.attempt)}"
        case Recovered():
            return f"its window is back to habit{_attempt(operation.attempt)}"
        case Elapsed():
            return f"{operation.step} has had its time{_attempt(operation.attempt)}"
        case Convicted():
            return f"{operation.culprit}: {operation.kind}"
        case Replaced():
            return f"a new key for {operation.agent}, from the next epoch on"
        case Configured():
            return f"{_policy_in_words(operation)}, from the next epoch on"
        case _:
            assert_never(operation)


def _policy_in_words(configured: Configured) -> str:
    try:
        return f"policy {ordered_rules(configured.rules).in_words()}"
    except Malformed as error:
        return f"no policy ({error})"


def action_in_words(action: Action) -> str:
    """``restart payments (pid 4104, release 1.0.0)``."""
    match action:
        case RestartService(service, generation):
            return f"restart {service} (pid {generation.pid}, release {generation.release})"
        case RollBack(service, generation, to_release):
            return f"roll {service} back from {generation.release} to {to_release}"
        case Deploy(service, to_release):
            return f"deploy {service} {to_release}"
        case _:
            assert_never(action)


def actions_in_words(plan: Plan) -> str:
    """What a plan does, step by step."""
    return ", then ".join(action_in_words(action) for action in plan.actions)


def plan_in_words(plan: Plan) -> str:
    """What a plan does, how risky it is, how it is undone, how far it reaches."""
    undo = ", then ".join(action_in_words(action) for action in plan.undo) or "none"
    reach = ", ".join(plan.blast_radius) or "nothing else"
    return f"{actions_in_words(plan)}; {plan.risk} risk; undo {undo}; reaches {reach}"


def hypothesis_in_words(hypothesis: Hypothesis) -> str:
    """``payments crash 0.97``."""
    probability = hypothesis.probability_permille / 1000
    return f"{hypothesis.service} {hypothesis.kind} {probability:.2f}"


def signal_in_words(signal: Signal) -> str:
    """``orders→payments errors``."""
    where = f"{signal.caller}→{signal.service}" if signal.caller else signal.service
    return f"{where} {signal.kind}"


def anomaly_in_words(anomaly: Anomaly) -> str:
    """``orders→payments errors 89 % (usually 0 %)``."""
    kind = anomaly.signal.kind
    seen, usual = anomaly.observed_permille, anomaly.expected_permille
    words = signal_in_words(anomaly.signal)
    if kind in (SignalKind.ERRORS, SignalKind.LATENCY):
        return f"{words} {seen / 10:.0f} % (usually {usual / 10:.0f} %)"
    if kind is SignalKind.TRAFFIC:
        return f"{words} at {seen / max(1, usual):.0%} of its habit"
    if kind is SignalKind.LIVENESS:
        return f"{anomaly.signal.service} does not live or does not answer"
    if kind is SignalKind.ALERT:
        return f"an alert about {anomaly.signal.service} fires"
    if kind.is_bounded:
        return f"{words} {seen / 10:.0f} % used and rising (usually {usual / 10:.0f} %)"
    return f"{words} off its habit"


def evidence_in_words(evidence: Evidence) -> str:
    """``payments liveness +4.2``, with the log template where it is one."""
    template = f" “{evidence.template}”" if evidence.template else ""
    return f"{signal_in_words(evidence.signal)}{template} {evidence.weight_permille / 1000:+.1f}"


def _diagnosis_in_words(diagnosed: Diagnosed) -> str:
    if not diagnosed.hypotheses:
        return "inconclusive"
    best = diagnosed.hypotheses[0]
    reasons = _listed([evidence_in_words(evidence) for evidence in best.evidence])
    ranking = [hypothesis_in_words(hypothesis) for hypothesis in diagnosed.hypotheses]
    if reasons:
        ranking[0] += f" ({reasons})"
    ruled_out = ", ".join(f"{it.service} {it.kind}" for it in diagnosed.ruled_out[:MOST_NAMED])
    return _listed(ranking) + (f"; ruled out: {ruled_out}" if ruled_out else "")


def _assessment_in_words(assessed: Assessed) -> str:
    reasons = _listed([evidence_in_words(evidence) for evidence in assessed.evidence])
    score = f" {assessed.score_permille / 1000:.2f}" if assessed.verdict != Verdict.ABSTAIN else ""
    return f"{assessed.verdict}{score}" + (f": {reasons}" if reasons else "")


def _listed(words: list[str]) -> str:
    named = ", ".join(words[:MOST_NAMED])
    return named + (f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else "")


def _attempt(number: int) -> str:
    return f", attempt {number}" if number > 1 else ""


def _clock(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "an impossible time"
