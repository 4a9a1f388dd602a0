"""Lines that are objects or pairs say what a plain line would, and nothing that users wrote."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.structured import opened
from engine.telemetry.templates import typed

LINES = {
    '{"severity":"error","message":"cannot convert","order":7}': "ERROR: cannot convert",
    '{"level":"warn","msg":"slow answer"}': "slow answer",
    '{"level":50,"msg":"a number is no word"}': "a number is no word",
    '{"msg":"failed","exc_type":"KeyError","level":"info"}': "failed [KeyError]",
    '{"exception":"java.lang.IllegalStateException: closed"}': " [java.lang.IllegalStateException: closed]",
    r'{"log":"{\"lvl\":\"fatal\",\"msg\":\"gone\"}\n","stream":"stderr"}': "ERROR: gone",
    r'{"log":"E0822 03:51:21.1 1 server.go:12] failed\n"}': "E0822 03:51:21.1 1 server.go:12] failed",
    r'time="2026-11-30" level=error msg="cannot \"book\"" order=7': 'ERROR: cannot "book"',
    "ts=1 caller=main.go:12 level=info msg=ready": "ready",
    'user=ann level=error msg="panic"': 'user=ann level=error msg="panic"',
    "level=info order=7 level=error": "level=info order=7 level=error",
    '{"order":7}': '{"order":7}',
    "{not an object}": "{not an object}",
    '["msg", "x"]': '["msg", "x"]',
    "plain words": "plain words",
    "": "",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_says_what_its_logger_was_told(line: str) -> None:
    assert opened(line) == LINES[line]


def test_lines_of_one_kind_have_one_form_and_other_kinds_another() -> None:
    forms = {
        typed(json.dumps({"time": at, "severity": "info", "message": said, "order": at}))
        for at in range(5)
        for said in ("booked", f"refused order {at}")
    }

    assert forms == {"booked", "refused order <number>"}


@given(st.text(max_size=200), st.sampled_from(["{", "level=", '{"msg":', "msg="]))
def test_any_text_is_opened_to_a_text(rest: str, start: str) -> None:
    assert isinstance(opened(start + rest), str)


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_field_but_the_loggers_own_changes_what_is_read(noise: str, other: str) -> None:
    said = {"level": "info", "msg": "saved"}

    assert opened(json.dumps({**said, "note": noise})) == opened(
        json.dumps({**said, "note": other})
    )
