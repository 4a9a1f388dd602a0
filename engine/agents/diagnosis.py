"""Diagnosis: which service is the cause, and what kind of thing is wrong with it (pure).

The method is ``engine.diagnosis``, the same that diagnoses recordings: this brain hands it what one
agent's own window holds (log lines and levels as a history, calls that are counted, facts about
runs, releases, alerts and forecasts) and says the answer in the words of the council.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from engine.agents.facts import facts_of
from engine.agents.judgement import Judgement
from engine.diagnosis.calls import Earned, Graph, Trouble, call_reasons, earned, troubles
from engine.diagnosis.evidence import Ground, Reason
from engine.diagnosis.facts import Fact, fact_reasons, onset_ms
from engine.diagnosis.finding import find
from engine.diagnosis.kinds import kinds
from engine.diagnosis.ranking import Suspect
from engine.telemetry.translation import USED_SHARE
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

LATELY_MS = 10_000
"""Where nothing says when trouble began, it is looked for in this much of the past."""
INCONCLUSIVE = 0.5
"""From this probability on that nothing is the cause, nothing is said."""
RULED_OUT_WEIGHT = 1.5
RULED_OUT_SHARE = 0.05
MAX_HYPOTHESES = 6
MAX_EVIDENCE = 8
LEAST_PERMILLE = 10
_SIGNALS = {
    Ground.FAILURES: SignalKind.ERRORS,
    Ground.TIME: SignalKind.LATENCY,
    Ground.WAY: SignalKind.LATENCY,
    Ground.MISSING: SignalKind.TRAFFIC,
    Ground.SILENT: SignalKind.TRAFFIC,
    Ground.LINES: SignalKind.LOGS,
    Ground.GONE: SignalKind.LIVENESS,
    Ground.ALERT: SignalKind.ALERT,
    Ground.CHANGE: SignalKind.RELEASE,
}
_OF_RELEASES = (FaultKind.BAD_DEPLOY, FaultKind.ERRORS, FaultKind.LEAK)


class Diagnosis(msgspec.Struct, frozen=True):
    """A ranking, best first (empty: inconclusive), and suspects that were cleared."""

    hypotheses: tuple[Hypothesis, ...] = ()
    ruled_out: tuple[Hypothesis, ...] = ()


class _Case(msgspec.Struct, frozen=True):
    """All that is known of the services."""

    troubles: Mapping[str, Trouble]
    facts: Mapping[str, Fact]
    earned: Sequence[Earned]
    graph: Graph

    def kinds(self, service: str) -> dict[FaultKind, float]:
        """How probable each kind of fault is, given that this service is the cause."""
        hidden = self.graph.hidden.get(service, frozenset())
        callers = [trouble for name, trouble in self.troubles.items() if name in hidden]
        return kinds(self.troubles[service], self.facts[service], callers)


def rank(window: Window, manifest: Manifest, now_ms: int) -> Diagnosis:
    """The suspected services and kinds of fault, most probable first."""
    if window.is_stale(now_ms):
        return Diagnosis()
    case = _case(window, manifest, now_ms)
    known = [*call_reasons(case.earned), *fact_reasons(case.facts, case.troubles)]
    onsets = [onset_ms(case.troubles[name], fact) for name, fact in case.facts.items()]
    since_ms = min((at for at in onsets if at is not None), default=now_ms - LATELY_MS)
    found = find(window.history, since_ms / 1e3, now_ms / 1e3, None, told=True, known=known)
    if found.ranking.nothing >= INCONCLUSIVE:
        return Diagnosis()
    hypotheses = []
    for suspect in found.ranking.suspects:
        evidence = _evidence(suspect, case, window)
        for kind, part in case.kinds(suspect.service).items():
            permille = int(1_000 * suspect.probability * part)
            if permille >= LEAST_PERMILLE:
                name = ServiceName(suspect.service)
                hypotheses.append(Hypothesis(name, kind, permille, evidence))
    hypotheses.sort(key=lambda hypothesis: -hypothesis.probability_permille)
    return Diagnosis(tuple(hypotheses[:MAX_HYPOTHESES]), _ruled_out(found.ranking.suspects, case))


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


# --- what the window holds -----------------------------------------------------------------------


def _case(window: Window, manifest: Manifest, now_ms: int) -> _Case:
    services = [spec.name for spec in manifest.service]
    links = {(caller, str(callee)): series for (caller, callee), series in window.links.items()}
    graph = graph_of(manifest)
    seen = troubles(services, links, now_ms)
    return _Case(seen, facts_of(window, manifest, seen, now_ms), earned(seen, graph), graph)


@lru_cache(maxsize=8)
def graph_of(manifest: Manifest) -> Graph:
    """Who calls whom, as the manifest says."""
    names = [str(spec.name) for spec in manifest.service]
    hidden = {
        name: frozenset(
            call.caller for call in manifest.call if call.callee == name and call.protocol != "http"
        )
        for name in names
    }
    reached_by = {name: frozenset({name, *map(str, manifest.callers_of(name))}) for name in names}
    return Graph(reached_by, hidden)


# --- in the council's words ----------------------------------------------------------------------


def _evidence(suspect: Suspect, case: _Case, window: Window) -> tuple[Evidence, ...]:
    """Everything that speaks for or against a suspect, strongest first."""
    found = [
        Evidence(
            Signal(
                ServiceName(each.trouble.service),
                _SIGNALS[each.trouble.ground],
                each.trouble.caller,
            ),
            round(1_000 * each.weight),
        )
        for each in case.earned
        if each.suspect == suspect.service
    ]
    found += [
        _told(reason, case.facts[suspect.service], window)
        for reason in suspect.reasons
        if reason.ground is not Ground.CALLS and round(1_000 * reason.weight) > 0
    ]
    found.sort(key=lambda evidence: -abs(evidence.weight_permille))
    return tuple(found[:MAX_EVIDENCE])


def _told(reason: Reason, fact: Fact, window: Window) -> Evidence:
    """A reason as evidence; of a log line, the template as this agent's window has it."""
    weight = round(1_000 * reason.weight)
    service = ServiceName(reason.service)
    if reason.ground is Ground.LINES:
        template = fact.new_template or _template(reason, window)
        return Evidence(Signal(service, SignalKind.LOGS), weight, template)
    if reason.ground in (Ground.RUNNING_OUT, Ground.RESOURCE):
        bounded = reason.signal.removesuffix(USED_SHARE)
        return Evidence(Signal(service, SignalKind(bounded)), weight)
    return Evidence(Signal(service, _SIGNALS[reason.ground]), weight)


def _template(reason: Reason, window: Window) -> str:
    """The window's own template of the lines that a reason is about; empty when it has gone."""
    miner = window.history.templates
    for count in window.logs(reason.service, 0, 1 << 62):
        if miner.number(count.template) == reason.template:
            return count.template
    return ""


def _ruled_out(suspects: Sequence[Suspect], case: _Case) -> tuple[Hypothesis, ...]:
    """Services that look bad, or changed of late, and are not the cause; with what cleared them."""
    probability = {suspect.service: suspect.probability for suspect in suspects}
    cleared = []
    for name, trouble in case.troubles.items():
        share = probability.get(name, 0.0)
        changed = case.facts[name].changed_ms is not None
        if share >= RULED_OUT_SHARE or not (changed or trouble.weight >= RULED_OUT_WEIGHT):
            continue
        found = case.kinds(name)
        kind = max(found, key=lambda kind: found[kind])
        signal_kind = _SIGNALS[trouble.ground]
        reasons = tuple(
            Evidence(
                Signal(ServiceName(callee), signal_kind, name),
                -round(1_000 * trouble.weight * part),
            )
            for callee, part in trouble.callee_shares.items()
        )
        service = ServiceName(name)
        cleared.append(Hypothesis(service, kind, int(1_000 * share), reasons[:MAX_EVIDENCE]))
    return tuple(cleared[:MAX_HYPOTHESES])
