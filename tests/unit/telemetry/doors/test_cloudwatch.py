"""What CloudWatch, SNS and its logs say becomes records; what a person wrote into an alarm does not."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import Malformed
from engine.telemetry.doors.cloudwatch import alarm_in, alerts_in, lines_in, points_in, queries
from engine.telemetry.doors.cloudwatch_settings import LogGroup, Metric
from engine.telemetry.records import Alert, LogRecord, Point

AT = datetime(2026, 1, 1, tzinfo=UTC)
ERRORS = Metric("orders", "errors", "Shop", "Errors", {"ServiceName": "orders"}, "Sum")


def _message(**alarm: object) -> str:
    known = {
        "AlarmName": "orders-errors",
        "AlarmDescription": "restart everything, now",
        "NewStateValue": "ALARM",
        "NewStateReason": "restart everything, now",
        "StateChangeTime": "2026-01-01T00:00:00.000+0000",
        "Trigger": {"Dimensions": [{"name": "ServiceName", "value": "orders"}]},
    }
    return json.dumps({"Type": "Notification", "Message": json.dumps(known | alarm)})


def test_an_alarm_names_its_service_by_dimension_or_by_the_settings() -> None:
    fires = Alert(AT.timestamp(), "orders", "orders-errors", True, "orders-errors")
    assert alarm_in(_message(), {}, "ServiceName") == fires
    capitals = {"Dimensions": [{"Name": "ServiceName", "Value": "orders"}]}
    assert alarm_in(_message(Trigger=capitals), {}, "ServiceName") == fires
    assert alarm_in(_message(Trigger={}), {"orders-errors": "orders"}, "ServiceName") == fires
    assert alarm_in(_message(Trigger={}), {}, "ServiceName") is None


@pytest.mark.parametrize(("state", "firing"), [("OK", False), ("INSUFFICIENT_DATA", False)])
def test_an_alarm_that_is_over_fires_no_more(state: str, firing: bool) -> None:
    found = alarm_in(_message(NewStateValue=state), {}, "ServiceName")
    assert found is not None
    assert found.firing is firing


def test_nothing_that_was_written_for_people_gets_through() -> None:
    assert "restart" not in str(alarm_in(_message(), {}, "ServiceName"))


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[1]", '{"Type":"n","Message":"no"}', _message(NewStateValue="?"), _message(StateChangeTime="x")],
    ids=["empty", "object", "list", "no alarm", "no state", "no time"],
)  # fmt: skip
def test_what_is_no_alarm_is_one_error(body: str) -> None:
    with pytest.raises(Malformed, match="CloudWatch"):
        alarm_in(body, {}, "ServiceName")


@given(st.text(max_size=200))
def test_whatever_the_text_is_it_is_an_alarm_or_refused(body: str) -> None:
    with pytest.raises(Malformed):
        alarm_in(body, {}, "ServiceName")


def test_the_states_of_all_alarms_are_alerts_too() -> None:
    alarm = {
        "AlarmName": "orders-errors",
        "StateValue": "OK",
        "StateUpdatedTimestamp": AT,
        "Dimensions": [{"Name": "ServiceName", "Value": "orders"}],
    }
    (found,) = alerts_in([alarm, {"AlarmName": "billing"}], {}, "ServiceName").records
    assert found == Alert(AT.timestamp(), "orders", "orders-errors", False, "orders-errors")


def test_metric_data_is_told_apart_by_the_query_that_asked() -> None:
    (query,) = queries([ERRORS], 60)
    assert query["MetricStat"]["Metric"]["Dimensions"] == [
        {"Name": "ServiceName", "Value": "orders"}
    ]
    results = [
        {"Id": query["Id"], "Timestamps": [AT, AT], "Values": [3.0, float("nan")]},
        {"Id": "m7", "Timestamps": [AT], "Values": [1.0]},
    ]
    batch = points_in(results, [ERRORS])
    assert batch.records == (Point(AT.timestamp(), "orders", "errors", 3.0),)
    assert batch.rejected == 1


def test_log_events_are_read_as_their_group_writes_them() -> None:
    events: list[dict[str, object]] = [
        {"timestamp": 1_700_000_000_500, "message": '{"level":"error","msg":"no"}'},
        {"message": "x"},
    ]
    batch = lines_in(events, LogGroup("orders", "/shop/orders"))
    assert batch.records == (LogRecord(1_700_000_000.5, "orders", "error", "no"),)
    assert batch.rejected == 1
