"""The baselines that need no figures: whoever was paged, and lines that are louder than before."""

from engine.evaluate.baselines.events import alert_service, spans_and_logs, spans_and_warnings
from engine.evaluate.senses import Question
from engine.telemetry.context import Page
from engine.telemetry.history import History
from engine.telemetry.records import LogRecord

ONSET_S, NOW_S = 1_005.0, 1_305.0
TOLD = Question(ONSET_S, NOW_S, told=True)


def heard(*lines: tuple[str, str]) -> History:
    """Each service's line at a level, once before the onset and twenty times after it."""
    history = History(("pay", "store", "cart"))
    for service, severity in lines:
        history.add(LogRecord(ONSET_S - 100, service, severity, "took too long"))
    for second in range(20):
        for service, severity in lines:
            history.add(LogRecord(ONSET_S + second, service, severity, "took too long"))
    return history


def test_whoever_was_paged_is_named_and_nobody_without_a_page() -> None:
    paged = Question(ONSET_S, NOW_S, page=Page(ONSET_S, "store", "errors", ""))

    assert [each.service for each in alert_service(heard(), paged).ranking] == ["store"]
    assert alert_service(heard(), TOLD).ranking == ()


def test_warnings_count_less_than_errors_and_only_where_they_are_asked_for() -> None:
    history = heard(("pay", "warning"), ("store", "error"))

    assert [each.service for each in spans_and_logs(history, TOLD).ranking] == ["store"]
    ranking = spans_and_warnings(history, TOLD).ranking
    assert [each.service for each in ranking] == ["store", "pay"]
    assert ranking[1].score == ranking[0].score / 2
