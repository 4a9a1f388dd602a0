"""A run that failed counts at the cap, and says why it failed."""

import msgspec
import pytest

from chaos.integrity import Integrity
from chaos.measure import RunRecord
from chaos.report import run_line, table
from chaos.verdict import failure_of

PASSED = RunRecord(
    experiment="kill-payments",
    policy="swarm",
    against_swarm=None,
    seed=1,
    target="payments",
    took_effect=True,
    impact_s=0.1,
    detect_s=1.6,
    diagnose_s=1.8,
    decide_s=2.0,
    act_s=3.0,
    recover_s=4.0,
    recovered=True,
    fault_present_at_recovery=False,
    diagnosis_right=True,
    actions=(),
    undone=True,
    certificate_verified=True,
    orders_acknowledged=100,
    orders_lost=0,
    needless_actions=0,
    handed_over=False,
    ledger="ledger.sqlite",
)
QUIET = Integrity(10, 0, 0, 10, 0, 10, 10, 10, 0)


def but(**changes: object) -> RunRecord:
    return msgspec.structs.replace(PASSED, **changes)


def cells(records: list[RunRecord], cap_s: float = 60.0) -> list[str]:
    return [cell.strip() for cell in table(records, cap_s).splitlines()[2].strip("|").split("|")]


def test_a_run_that_did_all_it_should_passes() -> None:
    assert failure_of(PASSED, QUIET) == ""


@pytest.mark.parametrize(
    ("record", "integrity", "why"),
    [
        (but(took_effect=False), QUIET, "did not take effect"),
        (but(undone=False), QUIET, "still in"),
        (PASSED, None, "under way"),
        (PASSED, msgspec.structs.replace(QUIET, orders_unsettled=1), "under way"),
        (PASSED, msgspec.structs.replace(QUIET, orders_lost=1), "differ"),
        (PASSED, msgspec.structs.replace(QUIET, charged=11), "differ"),
        (but(needless_actions=2), QUIET, "2 needless"),
        (but(recovered=False, recover_s=None), QUIET, "not recovered"),
        (but(fault_present_at_recovery=True), QUIET, "with the fault still in"),
        (but(certificate_verified=False), QUIET, "does not verify"),
        (but(certificate_verified=None), QUIET, "does not verify"),
        (but(target=None, needless_actions=1), QUIET, "1 needless"),
    ],
)
def test_a_run_fails_for_one_reason_in_words(
    record: RunRecord, integrity: Integrity | None, why: str
) -> None:
    assert why in failure_of(record, integrity)


def test_a_baseline_is_recorded_and_not_failed_for_not_recovering() -> None:
    assert failure_of(but(policy="off", recovered=False, recover_s=None), QUIET) == ""


def test_nothing_done_is_all_that_a_quiet_run_asks_for() -> None:
    quiet = but(target=None, recovered=False, recover_s=None, certificate_verified=None)

    assert failure_of(quiet, QUIET) == ""


def test_a_run_without_recovery_counts_at_the_cap_and_is_marked() -> None:
    row = cells([but(recover_s=4.0), but(recover_s=6.0), but(recover_s=None, recovered=False)])

    assert row[3] == "2 of 3"
    assert row[6] == "6.0 (4.0 to >60.0)"


def test_when_most_runs_failed_the_middle_is_marked_too() -> None:
    row = cells([but(recover_s=4.0), *[but(recover_s=None, recovered=False)] * 2])

    assert row[6] == ">60.0 (4.0 to >60.0)"


def test_failing_never_makes_the_middle_look_better() -> None:
    middle = [
        float(cells([but(recover_s=4.0)] * good + [but(recover_s=None)] * (5 - good))[6]
              .split()[0].lstrip(">"))
        for good in range(6)
    ]  # fmt: skip

    assert middle == sorted(middle, reverse=True)


def test_harm_to_the_swarm_has_a_row_of_its_own() -> None:
    text = table([PASSED, but(against_swarm="kill-primary")], 60.0)

    assert "| swarm |" in text
    assert "| swarm, kill-primary |" in text


def test_a_line_says_what_was_measured_and_why_it_failed() -> None:
    line = run_line(but(recover_s=None, recovered=False, failure="not recovered"))

    assert line.startswith("✖ FAILED  kill-payments (swarm, seed 1)")
    assert "recover –" in line
    assert line.endswith("not recovered")
