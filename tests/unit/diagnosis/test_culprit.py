"""A change is blamed by order, place and what its diff does; not for being the last one."""

import pytest

from engine.diagnosis.culprit import NONE, blame
from engine.diagnosis.diffs import Risk, read_diff
from engine.diagnosis.finding import find
from engine.diagnosis.onset import onset_s
from engine.telemetry.context import Change, Page
from engine.telemetry.history import History
from tests.little_system import END_S, ONSET_S, Trouble, history

POOL = "@@ pool.py @@\n-    max_connections = 50\n+    max_connections = 2\n-    timeout = 5\n+    timeout = 1"
TIDY = "@@ view.py @@\n-    total = cart.total()\n-    return render(total)\n+    shown = cart.total()\n+    return render(shown)"
PAGE = Page(ONSET_S + 90, "shop", "request_latency_ms", "shop is slow, calls time out waiting")


def deploy(
    at_s: float, service: str, ref: str, diff: str = TIDY, file: str = "a.py"
) -> list[Change]:
    return [
        Change(at_s - 60, "commit", ref, summary="change", files=(file,), diff=diff),
        Change(at_s, "deploy", ref, service, "deploy of change"),
    ]


def blamed(*changes: list[Change], trouble: Trouble | None = None) -> str | None:
    seen = history(trouble or Trouble("pay", "slow"))
    seen.changes = tuple(change for pair in changes for change in pair)
    found = find(seen, PAGE.at_s, END_S, PAGE, told=False)
    began_s = onset_s(seen, found.ranking.suspects, PAGE, found.stretch)
    return blame(seen, found.ranking, PAGE, began_s).ref


def test_the_change_of_the_cause_shortly_before_is_blamed() -> None:
    assert (
        blamed(deploy(ONSET_S - 40, "pay", "bad", POOL), deploy(ONSET_S - 30, "search", "good"))
        == "bad"
    )


def test_a_change_after_the_onset_is_innocent_however_dangerous() -> None:
    assert blamed(deploy(ONSET_S + 60, "pay", "late", POOL)) == NONE


def test_the_last_deployment_is_not_blamed_for_being_the_last() -> None:
    decoy = deploy(ONSET_S - 10, "pay", "docs", "-old words\n+new words", "docs/readme.md")

    assert blamed(deploy(ONSET_S - 200, "pay", "bad", POOL), decoy) == "bad"


def test_nothing_is_blamed_where_nothing_dangerous_changed() -> None:
    assert blamed(deploy(ONSET_S - 1_000, "pay", "tidy")) == NONE
    assert blamed(deploy(ONSET_S - 40, "search", "elsewhere", POOL)) == NONE


def test_there_is_no_answer_where_no_change_is_told() -> None:
    assert blamed() is None


@pytest.mark.parametrize(
    ("diff", "risk"),
    [
        ("-  timeout = 5000\n+  timeout = 50", Risk.BOUND),
        ("-  if user is None:\n-    return\n   charge(user)", Risk.GUARD),
        ("-  retry(backoff=jitter)\n+  call()", Risk.RETRY),
        ("+  for item in items:\n+    rows = db.query(item)", Risk.QUERY),
        ("-  tls.verify(cert)\n+  connect()", Risk.TRUST),
    ],
)
def test_what_a_diff_risks_is_read_from_what_it_really_changes(diff: str, risk: Risk) -> None:
    assert risk in read_diff(diff, ["a.py"], "").risks


@pytest.mark.parametrize(
    "file", ["docs/a.md", "web/theme.css", "tests/test_a.py", "go.sum", "src/a_test.go"]
)
def test_looks_words_tests_and_patches_change_no_behaviour(file: str) -> None:
    assert read_diff(POOL, [file], "").cosmetic


def test_moving_code_is_no_risk() -> None:
    moved = "-  return a.load(key).timeout\n+def helper(a, key):\n+  return a.load(key).timeout"

    assert Risk.BOUND not in read_diff(moved, ["a.py"], "").risks


def test_history_holds_changes_that_it_was_told() -> None:
    assert History(["a"], (), deploy(1, "a", "x")).changes[0].ref == "x"
