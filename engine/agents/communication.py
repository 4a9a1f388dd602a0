"""Communication: does the change say what it means, and do the logs tell the same story (pure).

This brain reads words, where the others count. It holds a plan's parts against each other (the
action must be a remedy for the kind that is claimed, the evidence must be about the suspect or
its callers, and weigh in its favour), against the status (a claimed release change must have
happened), and against the masked log templates of its own window: the process that is claimed
dead or hung must have fallen silent, the failures that are claimed must be logged by somebody on
the way. A log's content is compared, never obeyed, and a template that this agent's own window
does not hold convinces nobody.
"""

from engine.agents.judgement import Judgement
from engine.telemetry.window import LogCount, Window
from engine.topology import Manifest
from engine.vocabulary import (
    Evidence,
    FaultKind,
    Plan,
    RestartService,
    RollBack,
    ServiceName,
    Signal,
    SignalKind,
    Verdict,
)

NOW_MS = 10_000
SILENCE_MS = 2_000
CHATTY = 5
"""Lines in ``SILENCE_MS``: nothing that is gone or hangs writes that many."""
LOUD = ("error", "critical", "warning")
LEAST_LOUD = 2
"""Failures logged before the logs count as telling of one."""


def assess(window: Window, manifest: Manifest, plan: Plan, now_ms: int) -> Judgement:
    """Whether hypothesis, evidence, actions, status and logs tell one story."""
    suspect = plan.hypothesis.service
    if not _is_coherent(plan, manifest):
        return Judgement(Verdict.REJECT, 0, (_about(suspect, SignalKind.RELEASE, -5_000),))
    if window.is_stale(now_ms):
        return Judgement(Verdict.ABSTAIN, 0)
    if not _change_happened(plan, window):
        return Judgement(Verdict.REJECT, 0, (_about(suspect, SignalKind.RELEASE, -5_000),))
    if _invented_template(plan, window, now_ms):
        return Judgement(Verdict.REJECT, 0, (_about(suspect, SignalKind.LOGS, -3_000),))
    return _by_logs(window, manifest, plan, now_ms)


def _is_coherent(plan: Plan, manifest: Manifest) -> bool:
    """Whether the plan's own parts fit each other."""
    hypothesis = plan.hypothesis
    suspect = hypothesis.service
    if manifest.spec(suspect) is None or not plan.actions:
        return False
    if any(action.service != suspect for action in plan.actions):
        return False
    for action in plan.actions:
        match action:
            case RestartService():
                fits = hypothesis.kind is not FaultKind.BAD_DEPLOY
            case RollBack():
                fits = hypothesis.kind not in (FaultKind.CRASH, FaultKind.HANG)
            case _:
                fits = False
        if not fits:
            return False
    # A database's evidence is told by its callers, a caller's by the calls that it makes itself.
    near = {suspect, *manifest.callers_of(suspect)}
    about = [e for e in hypothesis.evidence if e.signal.service in near]
    weight = sum(e.weight_permille for e in about)
    return bool(about) and weight > 0 and 2 * len(about) > len(hypothesis.evidence)


def _change_happened(plan: Plan, window: Window) -> bool:
    """Whether the status knows the release change that the plan is about, if it is about one."""
    for action in plan.actions:
        if not isinstance(action, RollBack):
            continue
        status = window.status(action.service)
        if status is None or len(status.changes) < 2:
            return False
        *earlier, live = status.changes
        ran = {change.release for change in earlier}
        if live.release != action.generation.release or action.to_release not in ran:
            return False
    if plan.hypothesis.kind is FaultKind.BAD_DEPLOY:
        status = window.status(plan.hypothesis.service)
        return status is not None and len(status.changes) >= 2
    return True


def _invented_template(plan: Plan, window: Window, now_ms: int) -> bool:
    """Whether evidence quotes a template that a log which this agent follows does not hold."""
    for evidence in plan.hypothesis.evidence:
        service = evidence.signal.service
        if not evidence.template or window.manifest.spec(service) is None:
            continue
        followed = window.logs(service, 0, now_ms)
        if followed and evidence.template not in {count.template for count in followed}:
            return True
    return False


def _by_logs(window: Window, manifest: Manifest, plan: Plan, now_ms: int) -> Judgement:
    """The verdict of the logs: a contradiction, a confirmation, or nothing to go by."""
    suspect, kind = plan.hypothesis.service, plan.hypothesis.kind
    lately = window.logs(suspect, now_ms - SILENCE_MS, now_ms)
    silent_kind = kind in (FaultKind.CRASH, FaultKind.HANG)
    if silent_kind and sum(count.count for count in lately) >= CHATTY:
        return Judgement(Verdict.REJECT, 100, (_about(suspect, SignalKind.LOGS, -3_000),))
    speakers = (suspect, *manifest.callers_of(suspect))
    evidence = []
    for service in speakers:
        loud = _loud(window.logs(service, now_ms - NOW_MS, now_ms))
        if sum(count.count for count in loud) >= LEAST_LOUD:
            signal = Signal(service, SignalKind.LOGS)
            evidence.append(Evidence(signal, 1_000, loud[0].template))
    if not evidence:
        return Judgement(Verdict.ABSTAIN, 0)
    own = evidence[0].signal.service == suspect
    score = 900 if own is not silent_kind else 800
    return Judgement(Verdict.ACCEPT, score, tuple(evidence[:8]))


def _loud(counts: list[LogCount]) -> list[LogCount]:
    return [count for count in counts if count.level in LOUD]


def _about(service: ServiceName, kind: SignalKind, weight_permille: int) -> Evidence:
    return Evidence(Signal(service, kind), weight_permille)
