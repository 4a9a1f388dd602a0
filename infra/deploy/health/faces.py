"""Checks of what answers to others: the function, the HTTP API and the WebSocket API."""

import http.client
import json
import socket
import uuid
from typing import Any
from urllib.parse import urlsplit

import websockets.exceptions
import websockets.sync.client

from infra.deploy.health.suite import Seen, Sight, Unwell

__all__ = ["get_health", "http_health", "lambda_invocation", "websocket_round_trip"]

ANSWER_S = 8.0
MAX_BODY = 1 << 16


def lambda_invocation(sight: Sight) -> Seen:
    """Invoke the health function itself, past every API."""
    name = sight.names.health_function
    answer = sight.cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    payload = answer["Payload"].read(MAX_BODY)
    if answer.get("FunctionError"):
        raise Unwell(f"{name}: {answer['FunctionError']}: {payload[:120].decode(errors='replace')}")
    reply = _object(payload, name)
    return Seen(f"{name}: {_told(reply.get('statusCode'), reply.get('body'), sight)}")


def http_health(sight: Sight) -> Seen:
    """Ask the health page over HTTP; the build that answers must be the one that was deployed."""
    status, body = get_health(sight)
    return Seen(_told(status, body, sight))


def websocket_round_trip(sight: Sight) -> Seen:
    """Connect as a screen does, with its token, and get a word of ours back."""
    url = sight.output("WebSocketUrl")
    secret = sight.cloud.client("secretsmanager").get_secret_value(
        SecretId=sight.output("ScreensSecretName")
    )["SecretString"]
    word = str(uuid.uuid4())
    headers = {"Authorization": f"Bearer {secret}"}
    here = _emulator(sight)
    try:
        if here is not None:
            host = f"{sight.output('WebSocketApiId')}.execute-api.localhost:{here[1]}"
            sock = socket.create_connection(here, ANSWER_S)
            connection = websockets.sync.client.connect(
                f"ws://{host}{urlsplit(url).path}",
                sock=sock,
                additional_headers=headers,
                open_timeout=ANSWER_S,
                proxy=None,
            )
        else:
            connection = websockets.sync.client.connect(
                url, additional_headers=headers, open_timeout=ANSWER_S
            )
        with connection:
            connection.send(json.dumps({"ask": "ping", "id": word}))
            reply = _object(connection.recv(ANSWER_S), "the WebSocket")
    except (websockets.exceptions.WebSocketException, TimeoutError) as error:
        raise Unwell(f"{urlsplit(url).path}: {error}") from None
    if reply.get("answer") != "pong" or reply.get("id") != word:
        raise Unwell(f"asked with {word[:8]}, answered {str(reply)[:120]}")
    _same_build(reply.get("build"), sight)
    return Seen(f"our word {word[:8]} came back from build {reply.get('build')}")


def get_health(sight: Sight) -> tuple[int, bytes]:
    """Status and body of the health page.

    Raises:
        Unwell: it gave no answer that is HTTP.
    """
    url = urlsplit(sight.output("HealthUrl"))
    here = _emulator(sight)
    if here is not None:
        # The emulator tells its APIs apart by the name in the request; there is no DNS for it.
        connection: http.client.HTTPConnection = http.client.HTTPConnection(*here, timeout=ANSWER_S)
        host = f"{sight.output('HttpApiId')}.execute-api.localhost:{here[1]}"
    else:
        connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=ANSWER_S)
        host = url.netloc
    try:
        connection.request("GET", url.path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_BODY)
    except http.client.HTTPException as error:
        raise Unwell(f"{url.path}: no HTTP: {error!r}") from None
    finally:
        connection.close()


def _emulator(sight: Sight) -> tuple[str, int] | None:
    """Host and port of the emulator; None on AWS."""
    if not sight.environment.emulated:
        return None
    parts = urlsplit(sight.cloud.client("lambda").meta.endpoint_url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def _told(status: object, body: object, sight: Sight) -> str:
    """What a health page says, in short; raises what is wrong with it."""
    said = _object(body, "the health page")
    if status != 200:
        checks = said.get("checks")
        bad = [
            f"{name}: {check.get('evidence')}"
            for name, check in (checks.items() if isinstance(checks, dict) else ())
            if isinstance(check, dict) and not check.get("ok")
        ]
        raise Unwell(f"it answers {status}, {said.get('status')}: {'; '.join(bad) or 'no reason'}")
    _same_build(said.get("build"), sight)
    return f"200, build {said.get('build')}"


def _same_build(build: object, sight: Sight) -> None:
    if build != sight.build:
        raise Unwell(f"build {build} answers, {sight.build} was deployed")


def _object(text: object, who: str) -> dict[str, Any]:
    """The JSON object in ``text``."""
    try:
        found = json.loads(text) if isinstance(text, str | bytes) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unwell(f"{who} answers with no JSON object")
    return found
