"""What ``main.py doctor --config FILE`` adds: which doors and sources of an engine answer now."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from engine.aws.bindings import Binding
from engine.cli.finding import Finding, Status
from engine.codec import Malformed
from engine.settings import Settings, read_settings

ANSWER_WITHIN_S = 5.0


def examine_settings(file: Path) -> Iterator[Finding]:
    """Ask everything that the settings in ``file`` name, and say what answered."""
    try:
        settings, manifest, _ = read_settings(file)
    except Malformed as error:
        yield Finding("settings", Status.MISSING, str(error), f"edit {file}")
        return
    yield Finding("settings", Status.OK, f"{file}: fleet {manifest.name}, {settings.agents} agents")
    yield from _doors(settings)
    for server in settings.prometheus:
        yield asyncio.run(_prometheus(server.url))
    for log in settings.log:
        yield _log(log.service, Path(log.path))
    if settings.cloudwatch or settings.resources or settings.mirror or settings.events:
        yield from _aws(settings)


def _doors(settings: Settings) -> Iterator[Finding]:
    doors = settings.doors
    if doors is None or not doors.port:
        return
    open_now = [
        port
        for port in range(doors.port, doors.port + settings.agents + 1)
        if _listens(doors.host, port)
    ]
    wanted = f"{doors.host}:{doors.port} and the {settings.agents} that follow"
    if len(open_now) == settings.agents + 1:
        yield Finding("doors", Status.OK, f"{wanted} are open")
    else:
        detail = f"{wanted}: {len(open_now)} of {settings.agents + 1} open; is the engine running?"
        yield Finding("doors", Status.OPTIONAL, detail, "main.py engine --config FILE")


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), ANSWER_WITHIN_S):
            return True
    except OSError:
        return False


async def _prometheus(url: str) -> Finding:
    import aiohttp

    asked = f"{url.rstrip('/')}/api/v1/query"
    try:
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(asked, data={"query": "1"}) as response,
        ):
            if response.status in {200, 401, 403}:
                word = "answers" if response.status == 200 else "answers, and wants a token"
                return Finding("Prometheus", Status.OK, f"{url} {word}")
            why = f"status {response.status}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = str(error) or type(error).__name__
    return Finding("Prometheus", Status.MISSING, f"{url}: {why}", f"curl {asked}?query=1")


def _log(service: str, path: Path) -> Finding:
    try:
        with path.open("rb"):
            return Finding(f"log of {service}", Status.OK, str(path))
    except FileNotFoundError:
        return Finding(f"log of {service}", Status.OPTIONAL, f"{path}: not written yet")
    except OSError as error:
        detail = f"{path}: {error.strerror}"
        return Finding(f"log of {service}", Status.MISSING, detail, f"chmod a+r {path}")


def _aws(settings: Settings) -> Iterator[Finding]:
    try:
        from engine.aws.clients import AWS_ERRORS, Client, client, code_of
        from engine.aws.runs import Runs
    except ImportError:
        yield Finding("AWS", Status.MISSING, "boto3 is not installed", "make venv")
        return

    def ask(name: str, question: Callable[[], str]) -> Finding:
        try:
            return Finding(name, Status.OK, question())
        except AWS_ERRORS as error:
            return Finding(name, Status.MISSING, f"{code_of(error)}: {error}", "aws configure")

    def table(dynamodb: Client, name: str) -> str:
        return f"{name}: {dynamodb.describe_table(TableName=name)['Table']['TableStatus']}"

    yield ask("AWS account", lambda: str(client("sts").get_caller_identity()["Arn"]))
    runs = Runs(client)

    def live(binding: Binding) -> str:
        run = runs.live(binding)
        return f"{run.id}, {'alive' if run.alive else 'gone'}" if run else "no run"

    for service, binding in settings.resources.items():
        yield ask(f"{service} on AWS", partial(live, binding))
    if settings.mirror is not None:
        name = settings.mirror.table
        yield ask("mirror", lambda: table(client("dynamodb"), name))
