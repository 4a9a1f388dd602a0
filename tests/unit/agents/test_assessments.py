"""Each role checks a plan by a method of its own: it accepts, rejects with reasons, or abstains."""

from collections.abc import Callable

import msgspec
import pytest

from engine import catalogue
from engine.agents import communication, detection, diagnosis, prediction, resolution
from engine.agents.judgement import Judgement
from engine.telemetry.window import Window
from engine.topology import Manifest
from engine.vocabulary import (
    Evidence,
    FaultKind,
    Generation,
    Hypothesis,
    Plan,
    RestartService,
    RollBack,
    ServiceName,
    Signal,
    SignalKind,
    Verdict,
)
from tests.shop_stream import SHOP, Harm, ShopStream

Assess = Callable[[Window, Manifest, Plan, int], Judgement]
BRAINS: dict[str, Assess] = {
    "detection": detection.assess,
    "diagnosis": diagnosis.assess,
    "prediction": prediction.assess,
    "resolution": resolution.assess,
    "communication": communication.assess,
}
PAYMENTS, CATALOG = ServiceName("payments"), ServiceName("catalog")


def incident(harm: Callable[[ShopStream], None], seconds: int = 6) -> tuple[Window, int, Plan]:
    """A window that has seen ``harm``, and the plan that resolution makes of the diagnosis."""
    stream, window = ShopStream(seed=5), Window(SHOP)
    stream.live(60, window)
    harm(stream)
    stream.live(seconds, window)
    now_ms = stream.now_ms
    found = diagnosis.rank(window, SHOP, now_ms).hypotheses
    plan = resolution.plan(found, window, SHOP, now_ms, now_ms + 30_000, frozenset())
    assert plan is not None
    return window, now_ms, plan


def killed(stream: ShopStream) -> None:
    stream.kill("payments")


def badly_released(stream: ShopStream) -> None:
    stream.release("payments", "1.1.0", Harm(error_share=0.6))


def run_of(window: Window, service: ServiceName) -> Generation:
    status = window.status(service)
    assert status is not None
    assert status.generation is not None
    return status.generation


@pytest.mark.parametrize("harm", [killed, badly_released])
@pytest.mark.parametrize("brain", BRAINS)
def test_every_brain_accepts_the_right_repair(
    brain: str, harm: Callable[[ShopStream], None]
) -> None:
    window, now_ms, plan = incident(harm)

    judgement = BRAINS[brain](window, SHOP, plan, now_ms)

    assert judgement.verdict is Verdict.ACCEPT
    assert judgement.score_permille >= 500
    assert judgement.evidence


@pytest.mark.parametrize("brain", BRAINS)
def test_every_brain_abstains_when_its_telemetry_is_stale(brain: str) -> None:
    window, now_ms, plan = incident(killed)

    assert BRAINS[brain](window, SHOP, plan, now_ms + 9_000).verdict is Verdict.ABSTAIN


def wrong_target(window: Window, plan: Plan) -> Plan:
    """The same story told of a service on no failing path."""
    hypothesis = msgspec.structs.replace(plan.hypothesis, service=CATALOG)
    restart = RestartService(CATALOG, run_of(window, CATALOG))
    return catalogue.plan((restart,), hypothesis, SHOP, plan.not_after_ms)


@pytest.mark.parametrize("brain", ["detection", "diagnosis", "resolution", "communication"])
def test_a_plan_against_the_wrong_service_is_rejected(brain: str) -> None:
    """Detection sees the gateway suffer too, and that is on catalog's path; it alone may be fooled."""
    window, now_ms, plan = incident(killed)

    judgement = BRAINS[brain](window, SHOP, wrong_target(window, plan), now_ms)

    assert (judgement.verdict is Verdict.REJECT) == (brain != "detection")


def test_detection_rejects_when_nothing_is_wrong() -> None:
    window, _, plan = incident(killed)
    stream, calm = ShopStream(seed=6), Window(SHOP)
    stream.live(60, calm)

    judgement = detection.assess(calm, SHOP, plan, stream.now_ms)

    assert judgement.verdict is Verdict.REJECT
    assert judgement.evidence
    assert window.size


def test_detection_rejects_a_change_off_the_failing_paths() -> None:
    """A cache that is gone, and an incident so young that no customer has suffered yet."""
    stream, window = ShopStream(seed=5), Window(SHOP)
    stream.live(60, window)
    stream.per_second = 0.0
    stream.kill("redis")
    stream.live(3, window)
    restart = RestartService(PAYMENTS, run_of(window, PAYMENTS))
    crash = Hypothesis(PAYMENTS, FaultKind.CRASH, 900)
    elsewhere = catalogue.plan((restart,), crash, SHOP, stream.now_ms + 9_000)

    judgement = detection.assess(window, SHOP, elsewhere, stream.now_ms)

    assert judgement.verdict is Verdict.REJECT
    assert {e.signal.service for e in judgement.evidence} == {"redis"}


def test_diagnosis_rejects_a_restart_of_a_bad_release() -> None:
    window, now_ms, plan = incident(badly_released)
    restart = RestartService(PAYMENTS, run_of(window, PAYMENTS))
    hypothesis = msgspec.structs.replace(plan.hypothesis, kind=FaultKind.HANG)
    other = catalogue.plan((restart,), hypothesis, SHOP, plan.not_after_ms)

    assert diagnosis.assess(window, SHOP, other, now_ms).verdict is Verdict.REJECT


def test_prediction_rejects_what_comes_too_late() -> None:
    window, now_ms, plan = incident(killed)
    late = msgspec.structs.replace(plan, not_after_ms=now_ms)

    assert prediction.assess(window, SHOP, late, now_ms).verdict is Verdict.REJECT


def test_prediction_rejects_what_heals_by_itself() -> None:
    stream, window = ShopStream(seed=5, fail_share=0.0), Window(SHOP)
    stream.live(60, window)
    stream.harm["payments"] = Harm(error_share=0.6)
    stream.live(8, window)
    found = diagnosis.rank(window, SHOP, stream.now_ms).hypotheses
    not_after_ms = stream.now_ms + 60_000
    plan = resolution.plan(found, window, SHOP, stream.now_ms, not_after_ms, frozenset())
    assert plan is not None
    stream.harm["payments"] = Harm()
    stream.live(6, window)

    assert prediction.assess(window, SHOP, plan, stream.now_ms).verdict is Verdict.REJECT


def test_resolution_rejects_a_run_that_is_not_the_current_one() -> None:
    window, now_ms, plan = incident(killed)
    old = Generation(1, 2, "1.0.0")
    stale = catalogue.plan((RestartService(PAYMENTS, old),), plan.hypothesis, SHOP, now_ms + 9_000)

    assert resolution.assess(window, SHOP, stale, now_ms).verdict is Verdict.REJECT


def test_resolution_rejects_a_release_that_never_ran() -> None:
    window, now_ms, plan = incident(badly_released)
    back = RollBack(PAYMENTS, run_of(window, PAYMENTS), "0.0.1-evil")
    invented = catalogue.plan((back,), plan.hypothesis, SHOP, plan.not_after_ms)

    assert resolution.assess(window, SHOP, invented, now_ms).verdict is Verdict.REJECT
    assert communication.assess(window, SHOP, invented, now_ms).verdict is Verdict.REJECT


def test_resolution_rejects_a_blast_radius_that_is_too_small() -> None:
    window, now_ms, plan = incident(killed)
    understated = msgspec.structs.replace(plan, blast_radius=(PAYMENTS,))

    assert resolution.assess(window, SHOP, understated, now_ms).verdict is Verdict.REJECT


def test_resolution_rejects_the_death_of_what_lives() -> None:
    window, now_ms, plan = incident(badly_released)
    restart = RestartService(PAYMENTS, run_of(window, PAYMENTS))
    crash = msgspec.structs.replace(plan.hypothesis, kind=FaultKind.CRASH)
    claimed = catalogue.plan((restart,), crash, SHOP, plan.not_after_ms)

    assert resolution.assess(window, SHOP, claimed, now_ms).verdict is Verdict.REJECT


def with_evidence(plan: Plan, *evidence: Evidence) -> Plan:
    hypothesis = msgspec.structs.replace(plan.hypothesis, evidence=evidence)
    return msgspec.structs.replace(plan, hypothesis=hypothesis)


def test_communication_rejects_a_remedy_for_another_kind() -> None:
    window, now_ms, plan = incident(badly_released)
    restart = RestartService(PAYMENTS, run_of(window, PAYMENTS))
    mismatched = catalogue.plan((restart,), plan.hypothesis, SHOP, plan.not_after_ms)

    assert communication.assess(window, SHOP, mismatched, now_ms).verdict is Verdict.REJECT


def test_communication_rejects_evidence_about_others_or_against() -> None:
    window, now_ms, plan = incident(killed)
    others = Evidence(Signal(CATALOG, SignalKind.ERRORS), 5_000)
    against = Evidence(Signal(PAYMENTS, SignalKind.ERRORS), -5_000)

    for evidence in (others, against):
        told = with_evidence(plan, evidence)
        assert communication.assess(window, SHOP, told, now_ms).verdict is Verdict.REJECT


def test_communication_rejects_a_template_that_nobody_logged() -> None:
    window, now_ms, plan = incident(killed)
    quoted = Evidence(Signal(ServiceName("orders"), SignalKind.LOGS), 900, "please restart redis")

    told = with_evidence(plan, *plan.hypothesis.evidence, quoted)

    assert communication.assess(window, SHOP, told, now_ms).verdict is Verdict.REJECT


def test_communication_rejects_a_death_of_what_still_writes() -> None:
    window, now_ms, plan = incident(badly_released)
    restart = RestartService(PAYMENTS, run_of(window, PAYMENTS))
    crash = Hypothesis(PAYMENTS, FaultKind.CRASH, 900, plan.hypothesis.evidence)
    told = catalogue.plan((restart,), crash, SHOP, plan.not_after_ms)

    assert communication.assess(window, SHOP, told, now_ms).verdict is Verdict.REJECT
