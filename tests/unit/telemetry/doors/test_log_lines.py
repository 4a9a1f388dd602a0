"""Lines of three kinds of logs become records, dated and graded by what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.doors.log_lines import Format, read
from engine.telemetry.records import LogRecord

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("form", "line", "severity", "body", "at"),
    [
        (Format.JSON, b'{"level":"ERROR","msg":"no","exception":"KeyError"}', "error", "no [KeyError]", NOW),
        (Format.JSON, b'{"severity":"warn","message":"hm","ts":1700000001500}', "warning", "hm", NOW + 1.5),
        (Format.JSON, b'{"event":"hi","time":"2023-11-14T22:13:21Z"}', "info", "hi", NOW + 1),
        (Format.JOURNALD, b'{"MESSAGE":"out of memory","PRIORITY":"2","__REALTIME_TIMESTAMP":"1700000002000000"}', "critical", "out of memory", NOW + 2),
        (Format.JOURNALD, b'{"MESSAGE":[104,105,255]}', "info", "hi\xef\xbf\xbd".encode("latin-1").decode(), NOW),
        (Format.PLAIN, b"2023-11-14 22:13:23,250 ERROR [pool-1] refused", "error", "[pool-1] refused", NOW + 3.25),
        (Format.PLAIN, b"[2023-11-14T22:13:20+00:00] WARN: slow", "warning", "slow", NOW),
        (Format.JSON, b'{"level":"Fehler","msg":"zu"}', "error", "zu", NOW),
        (Format.JSON, b'{"msg":"KeyError: 3"}', "error", "KeyError: 3", NOW),
        (Format.PLAIN, b"Traceback (most recent call last):", "error", "Traceback (most recent call last):", NOW),
        (Format.PLAIN, b"just words", "info", "just words", NOW),
    ],
)  # fmt: skip
def test_a_line_says_when_how_bad_and_what(
    form: Format, line: bytes, severity: str, body: str, at: float
) -> None:
    assert read(line, form, "orders", NOW) == LogRecord(at, "orders", severity, body)


def test_a_line_cannot_speak_for_another_service() -> None:
    found = read(b'{"msg":"x","service":"payments"}', Format.JSON, "orders", NOW)
    assert found is not None
    assert found.service == "orders"


@pytest.mark.parametrize("line", [b"", b"{}", b"null", b"[]", b'{"msg":3}', b"{" * 9_000])
def test_what_is_no_object_with_a_message_is_nothing(line: bytes) -> None:
    assert read(line, Format.JSON, "orders", NOW) is None
    assert read(line, Format.JOURNALD, "orders", NOW) is None


@given(line=st.binary(max_size=300), form=st.sampled_from(Format))
def test_any_bytes_are_a_record_or_nothing(line: bytes, form: Format) -> None:
    found = read(line, form, "orders", NOW)
    assert found is None or (found.service == "orders" and found.body)
