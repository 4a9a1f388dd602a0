"""Where ministack lets us in: the one module that names its private parts.

The version is pinned, and ``tests/aws/test_seam.py`` fails when a new one has moved them.
"""

import asyncio
import contextvars
import functools
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from infra.target import AwsClient

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

__all__ = [
    "Answer",
    "Created",
    "Handler",
    "Properties",
    "Request",
    "add_binds",
    "in_process_client",
    "intercept",
    "json_answer",
    "keep_services_running",
    "register",
]

Properties = dict[str, Any]
"""A resource's properties as CloudFormation resolved them: JSON, of any shape."""
Created = tuple[str, dict[str, Any]]
"""The physical id, and the attributes that ``Fn::GetAtt`` finds."""
CALL_WITHIN_S = 10.0
SCHEDULE_EVERY_S = 0.5
"""Between two looks at the services of ECS."""


class Handler:
    """How one type of resource is created, changed and deleted.

    Without ``update`` a change is answered by creating anew: CloudFormation's replacement.
    """

    def __init__(
        self,
        create: Callable[[str, Properties], Created],
        delete: Callable[[str, Properties], None],
        update: Callable[[str, Properties], dict[str, Any]] | None = None,
    ) -> None:
        """``create(logical_id, properties)``; ``delete`` and ``update`` take the physical id."""
        self.create = create
        self.delete = delete
        self.update = update


def register(kind: str, handler: Handler) -> None:
    """Let CloudFormation know the resource type ``kind``."""
    from botocore.exceptions import ClientError
    from ministack.services.cloudformation import provisioners

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        return handler.create(logical_id, properties)

    def delete(physical_id: str, properties: Properties) -> None:
        try:
            handler.delete(physical_id, properties)
        except ClientError as error:
            # What has gone already is what was wanted; AWS sees it the same way.
            if "NotFound" not in error.response["Error"]["Code"]:
                raise

    def update(
        physical_id: str,
        old: Properties,
        new: Properties,
        stack: str,
        logical_id: str | None = None,
    ) -> Created:
        if handler.update is None:
            handler.delete(physical_id, old)
            return handler.create(logical_id or physical_id, new)
        return physical_id, handler.update(physical_id, new)

    provisioners._RESOURCE_HANDLERS[kind] = {  # noqa: SLF001 - the only way in
        "create": create,
        "delete": delete,
        "update": update,
    }


class _Body:
    """What botocore reads an answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> Iterator[bytes]:
        """The content in one piece, as urllib3 gives it."""
        yield self.read()

    def read(self, *_: object, **__: object) -> bytes:
        """The content, once."""
        content, self._content = self._content, b""
        return content


def in_process_client(service: str) -> AwsClient:
    """A client of ``service`` whose transport is the emulator's own handler.

    Provisioners run on the emulator's event loop, so a call over the socket would wait for itself
    (measured: it hung). The handler therefore runs on a thread with a loop of its own.
    """
    from ministack.core.responses import get_region

    return _client_in(service, get_region())


@functools.cache
def _client_in(service: str, region: str) -> AwsClient:
    """Made once: reading a service's model anew for each resource kept the whole emulator waiting.

    Measured: 7 of the 11 s for which one deployment kept the emulator's event loop busy.
    """
    import botocore.awsrequest

    from infra.environments import LOCAL_ACCOUNT

    client = _session().create_client(
        service,
        region_name=region,
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id=LOCAL_ACCOUNT,
        aws_secret_access_key="local",  # noqa: S106 - any word does
    )

    def before_send(request: "AWSPreparedRequest", **_: object) -> "AWSResponse":
        # The emulator calls a few services by the name that requests are signed with.
        status, headers, body = _call((service, client.meta.service_model.signing_name), request)
        return botocore.awsrequest.AWSResponse(request.url, status, headers, _Body(body))

    client.meta.events.register(f"before-send.{service}", before_send)
    return client


@functools.cache
def _session() -> AwsClient:
    """Botocore's session: it keeps what it has read of AWS's models."""
    import botocore.session

    return botocore.session.get_session()


def _call(
    names: tuple[str, str], request: "AWSPreparedRequest"
) -> tuple[int, dict[str, str], bytes]:
    """The answer of the emulator's handler to a request that botocore has prepared.

    Raises:
        TimeoutError: the handler did not answer.
    """
    from ministack.app import SERVICE_HANDLERS, SERVICE_NAME_ALIASES

    service, signing_name = names
    name = SERVICE_NAME_ALIASES.get(service, service)
    handle = SERVICE_HANDLERS[name if name in SERVICE_HANDLERS else signing_name]
    parts = urlsplit(request.url)
    body = request.body or b""
    content = body.encode() if isinstance(body, str) else bytes(body)
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    context = contextvars.copy_context()
    answers: list[tuple[int, Mapping[str, str], str | bytes]] = []

    def work() -> None:
        call = handle(request.method, parts.path, headers, content, parse_qs(parts.query))
        answers.append(context.run(asyncio.run, call))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(CALL_WITHIN_S)
    if not answers:
        raise TimeoutError(f"{service}: the emulator did not answer {request.method} {parts.path}")
    status, answered, text = answers[0][:3]
    return status, dict(answered), text.encode() if isinstance(text, str) else text


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


# --- services that are extended ---------------------------------------------------------------

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


@dataclass(frozen=True)
class Request:
    """A request of AWS's JSON protocol."""

    method: str
    path: str
    headers: dict[str, str]
    data: dict[str, Any]
    query: dict[str, list[str]]

    @property
    def action(self) -> str:
        """The operation: ``SendCommand``."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2]

    def with_data(self, data: dict[str, Any]) -> "Request":
        """The same request with another body."""
        return replace(self, data=data)


def json_answer(status: int, body: dict[str, Any]) -> Answer:
    """An answer of AWS's JSON protocol."""
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode()


def intercept(
    service: str,
    answer: Callable[[Request], Awaitable[Answer | None]],
    rewrite: Callable[[Request], Request | Answer],
) -> None:
    """Be asked before a service of the emulator is.

    Args:
        service: one that speaks AWS's JSON protocol.
        answer: gives the answer itself, or None for what the emulator shall answer.
        rewrite: gives the request that the emulator gets instead, or an answer after all.
    """
    from ministack import app

    original = app.SERVICE_HANDLERS[service]

    async def handle(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, list[str]],
    ) -> Answer:
        try:
            data = json.loads(body) if body else {}
        except ValueError:
            data = None
        if not isinstance(data, dict):
            answered: Answer = await original(method, path, headers, body, query_params)
            return answered
        request = Request(method, path, headers, data, query_params)
        own = await answer(request)
        if own is not None:
            return own
        rewritten = rewrite(request)
        if isinstance(rewritten, tuple):
            return rewritten
        passed: Answer = await original(
            method, path, headers, json.dumps(rewritten.data).encode(), query_params
        )
        return passed

    app.SERVICE_HANDLERS[service] = handle


def add_binds(more: Callable[[Properties, Properties], list[str]]) -> None:
    """Let ECS mount more than host folders: ``more`` gets a task's and a container's definition."""
    from ministack.services import ecs

    original = ecs._docker_binds_from_taskdef  # noqa: SLF001 - the only way in

    def binds(definition: Properties, container: Properties) -> list[str]:
        return [*original(definition, container), *more(definition, container)]

    ecs._docker_binds_from_taskdef = binds  # noqa: SLF001


def keep_services_running() -> None:
    """Be the scheduler that ECS has: start a task where a service has fewer than it wants.

    The emulator replaces tasks that fail, but not one that somebody stopped once its service was
    steady, which is how AWS restarts a task. A service is seen short twice before anything is done,
    so that the emulator's own replacement comes first.
    """
    threading.Thread(target=_schedule, name="ecs-scheduler", daemon=True).start()


def _schedule() -> None:
    from ministack.core.responses import request_scope
    from ministack.services import ecs

    short: set[object] = set()
    pause = threading.Event()
    while not pause.wait(SCHEDULE_EVERY_S):
        seen = {where for where, service in list(ecs._services.all_items()) if _is_short(service)}  # noqa: SLF001
        for where in seen & short:
            account, region, key = where
            with request_scope(account, region):
                ecs._reconcile_service_tasks(key.split("/", 1)[0], key)  # noqa: SLF001
        short = seen - short


def _is_short(service: Properties) -> bool:
    """Whether a steady service has fewer tasks than it wants."""
    deployments = service.get("deployments", [])
    steady = any(
        it.get("status") == "PRIMARY" and it.get("rolloutState") == "COMPLETED"
        for it in deployments
    )
    there = service.get("runningCount", 0) + service.get("pendingCount", 0)
    return bool(
        service.get("status") == "ACTIVE" and steady and there < service.get("desiredCount", 0)
    )
