"""Diagnosis: which service is the cause, and what kind of thing is wrong with it (pure).

One fault at a time is assumed; each service is a hypothesis, and so is "none of them". A
hypothesis earns the trouble of every service that it explains: its own part in full, its direct
and indirect callers' by the part that the calls on the way to it account for
(``engine.agents.trouble``). So the deepest service whose failures no call of its own explains
wins, and a database wins when several of its callers fail together while none has another reason
(the ordering of "deepest anomalous" methods, e.g. MicroRCA, NOMS 2020, as a naive-Bayes score).
Status and health speak for their own service only. What changed last is evidence where trouble
of its own began after the change, and nothing elsewhere: a harmless release beside the fault
earns nothing. Probabilities are tempered, because witnesses of one fault are not independent.
"""

from collections.abc import Mapping

import msgspec

from engine.agents.likelihood import Judgement, softmax
from engine.agents.trouble import Trouble, troubles
from engine.telemetry.window import Window
from engine.topology import Manifest
from engine.vocabulary import (
    Action,
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

NOTHING = 8.0
"""Log odds that have to be earned before anything stands out."""
TEMPERATURE = 2.0
HIDDEN_SHARE = 0.8
"""A TCP link shows no failed statements: so much of a caller's own trouble may be its database's."""
UNHARMED = -3.0
"""A database is cleared this much by each caller that does well."""
ONSET_SLACK_MS = 3_000
LATEST_ONSET_MS = 60_000
"""A release whose failures begin later than this after it went live is not blamed for its change."""
RUNNING_OUT = 12.0
"""Of a forecast: nothing that hurts yet can outweigh it, and what hurts shows on every caller."""
MAX_HYPOTHESES = 6
MAX_EVIDENCE = 8
LEAST_PERMILLE = 10


_OF_RELEASES = (FaultKind.BAD_DEPLOY, FaultKind.ERRORS, FaultKind.LEAK)


class Diagnosis(msgspec.Struct, frozen=True):
    """A ranking, best first (empty: inconclusive), and suspects that were cleared."""

    hypotheses: tuple[Hypothesis, ...] = ()
    ruled_out: tuple[Hypothesis, ...] = ()


def rank(window: Window, manifest: Manifest, now_ms: int) -> Diagnosis:
    """The suspected services and kinds of fault, most probable first."""
    if window.is_stale(now_ms):
        return Diagnosis()
    seen = troubles(window, manifest, now_ms)
    evidence = {name: _evidence(window, name, seen, manifest, now_ms) for name in seen}
    scores = {
        name: sum(e.weight_permille for e in found) / 1_000 for name, found in evidence.items()
    }
    shares = softmax([NOTHING / TEMPERATURE, *(s / TEMPERATURE for s in scores.values())])
    if shares[0] >= 0.5:
        return Diagnosis()
    probability = dict(zip(scores, shares[1:], strict=True))
    found: list[Hypothesis] = []
    for name, share in probability.items():
        for kind, part in _kinds(seen[name], _callers(manifest, seen, name)).items():
            permille = int(1_000 * share * part)
            if permille >= LEAST_PERMILLE:
                found.append(Hypothesis(name, kind, permille, evidence[name][:MAX_EVIDENCE]))
    found.sort(key=lambda hypothesis: -hypothesis.probability_permille)
    return Diagnosis(tuple(found[:MAX_HYPOTHESES]), _ruled_out(seen, probability, manifest))


def assess(window: Window, manifest: Manifest, plan: Plan, now_ms: int) -> Judgement:
    """Whether this agent's own ranking supports the target and the kind of the plan."""
    diagnosis = rank(window, manifest, now_ms)
    if not diagnosis.hypotheses:
        return Judgement(Verdict.ABSTAIN, 0)
    targets = {action.service for action in plan.actions}
    of_target = [h for h in diagnosis.hypotheses if h.service in targets]
    suspected = sum(h.probability_permille for h in of_target)
    mended = sum(h.probability_permille for h in of_target if _mends(plan.actions, h.kind))
    best = diagnosis.hypotheses[0]
    if suspected >= 500 and mended * 2 >= suspected:
        return Judgement(Verdict.ACCEPT, mended, of_target[0].evidence)
    if suspected >= 500 and mended * 5 <= suspected:
        return Judgement(Verdict.REJECT, mended, of_target[0].evidence)
    elsewhere = sum(h.probability_permille for h in diagnosis.hypotheses) - suspected
    if elsewhere >= 700:
        return Judgement(Verdict.REJECT, suspected, best.evidence)
    return Judgement(Verdict.ABSTAIN, suspected)


def _mends(actions: tuple[Action, ...], kind: FaultKind) -> bool:
    """Whether any of the actions is a remedy for a fault of this kind."""
    for action in actions:
        if isinstance(action, RestartService) and kind is not FaultKind.BAD_DEPLOY:
            return True
        if isinstance(action, RollBack) and kind in _OF_RELEASES:
            return True
    return False


# --- evidence ----------------------------------------------------------------------------------


def _evidence(
    window: Window,
    suspect: ServiceName,
    seen: Mapping[ServiceName, Trouble],
    manifest: Manifest,
    now_ms: int,
) -> tuple[Evidence, ...]:
    """Everything that speaks for or against ``suspect``, strongest first."""
    found = [*_direct(seen[suspect]), *_log_evidence(window, seen[suspect], now_ms)]
    reached_by = {suspect, *manifest.callers_of(suspect)}
    hidden = {c.caller for c in manifest.call if c.callee == suspect and c.protocol != "http"}
    for name, trouble in seen.items():
        weight = trouble.weight * _explained(suspect, trouble, reached_by, hidden)
        if name in hidden and trouble.weight <= 0 and trouble.attempts >= 10:
            weight = UNHARMED
        if abs(weight) >= 0.1:
            signal = Signal(name, trouble.kind, trouble.caller)
            found.append(Evidence(signal, round(1_000 * weight)))
    return tuple(sorted(found, key=lambda e: -abs(e.weight_permille)))


def _explained(
    suspect: ServiceName, trouble: Trouble, reached_by: set[ServiceName], hidden: set[str]
) -> float:
    """The part of a service's trouble that a fault of ``suspect`` accounts for."""
    if trouble.service == suspect:
        return trouble.own_share
    on_the_way = sum(s for callee, s in trouble.callee_shares.items() if callee in reached_by)
    if trouble.service in hidden:
        on_the_way += HIDDEN_SHARE * trouble.own_share
    return min(1.0, on_the_way)


def _direct(trouble: Trouble) -> list[Evidence]:
    """What status, health and the last release say of this very service."""
    found = []
    gone = 10.0 if trouble.gone >= 2 else 4.0 * trouble.gone
    ill = min(9.0, 3.0 * max(trouble.refused, trouble.silent, trouble.unanswered))
    ill += min(2.0, 1.0 * trouble.unwell)
    if gone or ill:
        weight = max(gone, ill)
        found.append(Evidence(Signal(trouble.service, SignalKind.LIVENESS), round(1_000 * weight)))
    if trouble.alerts:
        found.append(Evidence(Signal(trouble.service, SignalKind.ALERT), 500 * trouble.alerts))
    if trouble.running_out is not None:
        signal = Signal(trouble.service, trouble.running_out)
        found.append(Evidence(signal, round(1_000 * RUNNING_OUT)))
    if _follows_change(trouble):
        weight = 2.0 * (1.0 if trouble.gone else trouble.own_share)
        if weight >= 0.1:
            signal = Signal(trouble.service, SignalKind.RELEASE)
            found.append(Evidence(signal, round(1_000 * weight)))
    return found


def _log_evidence(window: Window, trouble: Trouble, now_ms: int) -> list[Evidence]:
    """The error template that is new in the service's own log: a little weight, much to read."""
    if trouble.weight <= 0 or trouble.own_share < 0.2:
        return []
    since_ms = now_ms - 10_000 if trouble.onset_ms is None else trouble.onset_ms - 1_000
    before = {c.template for c in window.logs(trouble.service, 0, since_ms)}
    for count in window.logs(trouble.service, since_ms, now_ms):
        loud = count.level in ("error", "critical")
        if loud and count.count >= 2 and count.template not in before:
            signal = Signal(trouble.service, SignalKind.LOGS)
            return [Evidence(signal, round(500 * trouble.own_share), count.template)]
    return []


def _follows_change(trouble: Trouble) -> bool:
    """Whether the service's trouble began after its last release went live, and soon."""
    if trouble.changed_ms is None or trouble.onset_ms is None:
        return False
    return -ONSET_SLACK_MS <= trouble.onset_ms - trouble.changed_ms <= LATEST_ONSET_MS


# --- kinds -------------------------------------------------------------------------------------


def _callers(
    manifest: Manifest, seen: Mapping[ServiceName, Trouble], suspect: ServiceName
) -> list[Trouble]:
    """Those whose trouble may be told instead of a store's, which answers no request itself."""
    hidden = {c.caller for c in manifest.call if c.callee == suspect and c.protocol != "http"}
    return [trouble for name, trouble in seen.items() if name in hidden]


def _kinds(trouble: Trouble, callers: list[Trouble]) -> dict[FaultKind, float]:
    """How probable each kind of fault is, given that this service is the cause."""
    follows = _follows_change(trouble)
    witnesses = [trouble, *callers]
    late = max(witness.late_weight for witness in witnesses)
    failing = max(w.weight if w.kind is SignalKind.ERRORS else 0.0 for w in witnesses)
    # Callers of a store that hangs wait for it, and then fail.
    waiting = 5.0 if callers and late and failing else 0.0
    # Told gone once, by the orchestrator, already beats mere errors; told twice, everything else.
    crash = 8.0 if trouble.gone >= 2 else max(5.0 * trouble.gone, 3.0 * trouble.refused)
    hang = min(9.0, 3.0 * max(trouble.silent, 2 * trouble.unanswered))
    weights = {
        FaultKind.CRASH: crash or -4.0,
        FaultKind.HANG: -4.0 if trouble.gone else max(waiting, hang),
        # A release that cannot even stay up is a bad release before it is a crash.
        FaultKind.BAD_DEPLOY: (12.0 if trouble.gone else 7.0) if follows else -6.0,
        FaultKind.ERRORS: 4.0 if failing else 0.0,
        FaultKind.SLOW: 4.0 if late and not failing else 0.0,
        # A release that leaks is mended like a bad one; what it does has a name of its own.
        FaultKind.LEAK: 11.0 if trouble.running_out is not None else -6.0,
    }
    return dict(zip(weights, softmax(list(weights.values())), strict=True))


def _ruled_out(
    seen: Mapping[ServiceName, Trouble],
    probability: Mapping[ServiceName, float],
    manifest: Manifest,
) -> tuple[Hypothesis, ...]:
    """Services that look bad, or changed of late, and are not the cause; with what cleared them."""
    cleared = []
    for name, trouble in seen.items():
        suspicious = trouble.weight >= 3.0 or trouble.changed_ms is not None
        if not suspicious or probability[name] >= 0.05:
            continue
        kinds = _kinds(trouble, _callers(manifest, seen, name))
        kind = max(kinds, key=lambda k: kinds[k])
        reasons = tuple(
            Evidence(Signal(callee, trouble.kind, name), -round(1_000 * trouble.weight * share))
            for callee, share in trouble.callee_shares.items()
        )
        permille = int(1_000 * probability[name])
        cleared.append(Hypothesis(name, kind, permille, reasons[:MAX_EVIDENCE]))
    return tuple(cleared[:MAX_HYPOTHESES])
