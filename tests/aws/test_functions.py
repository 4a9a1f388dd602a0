"""The Lambdas refuse what they should, whoever sends it; what they do is tried on the emulator."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.functions import screens, secret, webhook
from infra.functions.event import body_of, header, reply

SECRET = b"s3cret"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def known_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_secret", lambda: SECRET)
    monkeypatch.setenv("BUILD", "b1")


def alarm(body: str, *, sent_at: int, key: bytes = SECRET) -> dict[str, object]:
    return {
        "headers": {
            "X-Sent-At": str(sent_at),
            "x-signature": secret.signature(key, sent_at, body.encode()),
        },
        "body": body,
    }


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({}, 413),
        ({"body": "x" * (webhook.MAX_BODY + 1)}, 413),
        ({"body": "%%%", "isBase64Encoded": True}, 413),
        ({"body": "{}"}, 401),
        (alarm("{}", sent_at=0), 401),
        (alarm("{}", sent_at=int(time.time()), key=b"other"), 401),
        (alarm("{}", sent_at=int(time.time())) | {"body": "{ }"}, 401),
        (alarm("no json", sent_at=int(time.time())), 400),
        (alarm("[]", sent_at=int(time.time())), 400),
        (alarm("[" * 60_000, sent_at=int(time.time())), 400),
    ],
)
def test_a_webhook_that_is_not_right_is_refused(event: dict[str, object], status: int) -> None:
    assert webhook.handler(event, None)["statusCode"] == status


@given(event=st.dictionaries(st.sampled_from(["body", "headers", "isBase64Encoded"]), JSON))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_event_gets_an_answer(event: dict[str, object]) -> None:
    assert webhook.handler(event, None)["statusCode"] in {400, 401, 413}


@pytest.mark.parametrize("sent_at", ["", "x", "-1", "1" * 13, "١٢٣", "1.5"])
def test_a_time_that_is_none_signs_nothing(sent_at: str) -> None:
    assert not secret.is_signed("", sent_at, b"", 0)


@pytest.mark.parametrize("age_s", [-301, 301])
def test_a_recorded_request_is_refused(age_s: int) -> None:
    shown = secret.signature(SECRET, 1000, b"{}")

    assert secret.is_signed(shown, "1000", b"{}", 1000)
    assert not secret.is_signed(shown, "1000", b"{}", 1000 + age_s)


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer x", "Basic s3cret", "bearer s3cret"])
def test_a_screen_without_its_token_is_refused(shown: str) -> None:
    event = {
        "requestContext": {"connectionId": "c", "routeKey": "$connect"},
        "headers": {"Authorization": shown},
    }

    assert screens.handler(event, None)["statusCode"] == 401


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.none() | st.text(max_size=50) | JSON.map(json.dumps) | JSON)
def test_any_message_gets_an_answer_in_json(body: object) -> None:
    if isinstance(body, str) and '"state"' in body:
        return
    event = {"requestContext": {"connectionId": "c", "routeKey": "$default"}, "body": body}

    assert isinstance(json.loads(str(screens.handler(event, None)["body"])), dict)


def test_a_ping_is_answered_with_its_id_and_the_build() -> None:
    event = {
        "requestContext": {"connectionId": "c", "routeKey": "$default"},
        "body": '{"ask": "ping", "id": 7}',
    }

    answer = json.loads(str(screens.handler(event, None)["body"]))

    assert answer == {"id": 7, "build": "b1", "answer": "pong"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), limit=st.integers(0, 60))
def test_a_body_is_whole_or_nothing(content: bytes, limit: int) -> None:
    import base64

    event = {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}

    assert body_of(event, limit) in ({content} if len(content) <= limit else {None})


def test_headers_come_in_any_case_and_shape() -> None:
    assert header({"headers": {"X-A": "1"}}, "x-a") == "1"
    assert header({"headers": None}, "x-a") == ""
    assert reply(200, {"a": 1})["body"] == '{"a":1}'
