"""Resolution: which action mends it, and are an action's preconditions true (pure).

The remedies are few and typed: what is gone or hangs is restarted, a bad release is rolled back
to the one that ran before it, failures without a known reason are rolled back where a release
changed of late and restarted otherwise. Which run is meant, and which release ran before, come
from the orchestrator's status in this agent's own window: never from a log, a label or another
agent's words. What has been tried in this incident is not tried again.
"""

from collections.abc import Sequence

from engine import catalogue
from engine.agents.facts import changed_ms
from engine.agents.judgement import Judgement
from engine.telemetry.samples import HealthAnswer
from engine.telemetry.window import Window
from engine.topology import Manifest, ServiceStatus
from engine.vocabulary import (
    Action,
    Deploy,
    Evidence,
    FaultKind,
    Hypothesis,
    Plan,
    RestartService,
    RollBack,
    ServiceName,
    Signal,
    SignalKind,
    Verdict,
)

LEAST_PERMILLE = 100
"""A hypothesis less probable than this is no reason to change anything."""
RESTART = "restart-service"
ROLL_BACK = "roll-back"


def plan(
    hypotheses: Sequence[Hypothesis],
    window: Window,
    manifest: Manifest,
    now_ms: int,
    not_after_ms: int,
    tried: frozenset[tuple[ServiceName, str]],
) -> Plan | None:
    """The remedy of the most probable hypothesis that still has one untried; None without any.

    ``tried`` holds (service, action tag) of this incident's earlier attempts. None too while the
    window is stale: then no run that an action could name is known to be the current one.
    """
    if window.is_stale(now_ms):
        return None
    for hypothesis in sorted(hypotheses, key=lambda h: -h.probability_permille):
        if hypothesis.probability_permille < LEAST_PERMILLE:
            break
        status = window.status(hypothesis.service)
        if manifest.spec(hypothesis.service) is None or status is None:
            continue
        for action in _remedies(hypothesis, status, window, manifest, now_ms):
            if (hypothesis.service, catalogue.tag_of(action)) in tried:
                continue
            proposed = catalogue.plan((action,), hypothesis, manifest, not_after_ms)
            if not catalogue.objection_to(proposed, manifest):
                return proposed
    return None


def assess(window: Window, manifest: Manifest, plan: Plan, now_ms: int) -> Judgement:
    """Whether every precondition holds in this agent's own view of the fleet.

    Rejects what the catalogue refuses, a run that is not the current one, a release that never
    ran, and a claim about life or death that the status contradicts.
    """
    if catalogue.objection_to(plan, manifest):
        return Judgement(Verdict.REJECT, 0, (_against(plan.hypothesis.service),))
    age_ms = window.status_age_ms(now_ms)
    if window.is_stale(now_ms) or age_ms is None:
        return Judgement(Verdict.ABSTAIN, 0)
    evidence: list[Evidence] = []
    for action in plan.actions:
        status = window.status(action.service)
        if status is None or status.generation is None:
            return Judgement(Verdict.ABSTAIN, 0)
        if not _is_current(action, status):
            return Judgement(Verdict.REJECT, 0, (_against(action.service),))
        if isinstance(action, RollBack) and action.to_release not in _earlier(status):
            return Judgement(Verdict.REJECT, 0, (_against(action.service),))
        evidence.append(Evidence(Signal(action.service, SignalKind.RELEASE), 2_000))
    if _contradicts_life(plan.hypothesis, window, now_ms):
        signal = Signal(plan.hypothesis.service, SignalKind.LIVENESS)
        return Judgement(Verdict.REJECT, 50, (Evidence(signal, -4_000),))
    evidence.append(Evidence(Signal(plan.hypothesis.service, SignalKind.LIVENESS), 2_000))
    return Judgement(Verdict.ACCEPT, 900, tuple(evidence))


def _remedies(
    hypothesis: Hypothesis,
    status: ServiceStatus,
    window: Window,
    manifest: Manifest,
    now_ms: int,
) -> list[Action]:
    """What may mend it, best first."""
    if status.generation is None:
        return []
    restart = RestartService(hypothesis.service, status.generation)
    back = _roll_back(status, manifest)
    changed = changed_ms(window, hypothesis.service, now_ms) is not None
    match hypothesis.kind:
        case FaultKind.CRASH | FaultKind.HANG:
            return [restart]
        case FaultKind.BAD_DEPLOY:
            return back
        case FaultKind.LEAK:
            # A restart gives back what has leaked, and the leak goes on.
            return [*back, restart]
        case FaultKind.ERRORS | FaultKind.SLOW:
            return [*back, restart] if changed else [restart]


def _roll_back(status: ServiceStatus, manifest: Manifest) -> list[Action]:
    """The way back to the release that was live before, where there is one."""
    spec, earlier = manifest.spec(status.name), _earlier(status)
    if status.generation is None or spec is None or spec.kind != "http" or not earlier:
        return []
    return [RollBack(status.name, status.generation, earlier[-1])]


def _earlier(status: ServiceStatus) -> list[str]:
    """Releases that ran before the live one ever did, the last one last.

    After a roll-back the release that was left is the newest change but one: to go "back" to it
    would be to deploy again what has just been found bad.
    """
    ran = [change.release for change in status.changes]
    return ran[: ran.index(ran[-1])] if ran else []


def _is_current(action: Action, status: ServiceStatus) -> bool:
    match action:
        case RestartService() | RollBack():
            return action.generation == status.generation
        case Deploy():
            return False


def _contradicts_life(hypothesis: Hypothesis, window: Window, now_ms: int) -> bool:
    """Whether status and health say the opposite of what the hypothesis claims."""
    gone = window.dead_for(hypothesis.service, now_ms)[0] >= 1
    answers = window.answers(hypothesis.service, now_ms - 3_500, now_ms)
    well = len(answers) >= 2 and all(answer is HealthAnswer.WELL for answer in answers)
    match hypothesis.kind:
        case FaultKind.CRASH:
            # Alive by status and yet refusing connections is a crash too: half started.
            return not gone and (well or not answers)
        case FaultKind.HANG:
            return gone or well
        case FaultKind.ERRORS | FaultKind.SLOW | FaultKind.LEAK:
            return gone
        case FaultKind.BAD_DEPLOY:
            return False


def _against(service: ServiceName) -> Evidence:
    return Evidence(Signal(service, SignalKind.RELEASE), -5_000)
