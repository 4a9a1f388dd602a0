"""Runs checks: each in a time of its own, tried again where the world may have hiccuped.

A check asks for real and says what it saw. It raises ``Unwell`` when the answer is wrong; what the
network or the account raises counts the same. Only the last try's answer is told, with how often it
was asked: a check that needed more than one try is degraded, not well.
"""

import concurrent.futures
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.cloud import Cloud, CloudFailed
from infra.deploy.run import Finding, Verdict
from infra.environments import Environment
from infra.names import Names

__all__ = ["Check", "Seen", "Sight", "Unwell", "run_checks"]

PAUSE_S = 0.3
MAX_EVIDENCE = 300

Answer = TypeVar("Answer")


class Unwell(Exception):
    """What was asked answered wrongly; the message says how."""


class Seen(NamedTuple):
    """What a check saw."""

    evidence: str
    verdict: Verdict = Verdict.OK


@dataclass(frozen=True)
class Sight:
    """What checks look at."""

    environment: Environment
    cloud: Cloud
    outputs: dict[str, str]
    """All outputs of the stacks, by key."""
    build: str
    """What should answer."""
    kinds: frozenset[str]
    """The kinds of resources that the assembly holds."""
    emulator: Path
    """The folder of the emulator, where there is one."""

    @property
    def names(self) -> Names:
        """What things are called."""
        return Names(self.environment)

    def output(self, key: str) -> str:
        """One output.

        Raises:
            Unwell: no stack has it.
        """
        if key not in self.outputs:
            raise Unwell(f"no stack has the output {key}")
        return self.outputs[key]


@dataclass(frozen=True)
class Check:
    """One check."""

    name: str
    ask: Callable[[Sight], Seen]
    timeout_s: float = 10.0
    tries: int = 3
    begins_first: bool = False
    """It mostly waits for others: asked while the checks before it are."""


def run_checks(
    sight: Sight,
    checks: Sequence[Check],
    told: Callable[[Finding], None] = lambda _: None,
    *,
    hurried: bool = False,
) -> tuple[Finding, ...]:
    """What each check found, in order.

    Args:
        sight: what they look at.
        checks: what is asked.
        told: hears each finding.
        hurried: whether a rollback waits for the first failure: then nobody is waited for any more who
            waits for others, and everybody else is asked once.
    """
    begun = {
        check.name: _in_thread(partial(_asked, sight, check))
        for check in checks
        if check.begins_first
    }
    found: list[Finding] = []
    for check in checks:
        early = begun.get(check.name)
        failed = [one.name for one in found if one.verdict is Verdict.FAILED] if hurried else []
        if early is not None and failed and not early.done():
            why = f"not waited for: {', '.join(failed)} failed"
            finding = Finding(check.name, Verdict.NOT_CHECKED, why)
        elif early is not None:
            finding = early.result()
        else:
            finding = _asked(sight, replace(check, tries=1) if failed else check)
        found.append(finding)
        told(finding)
    return tuple(found)


def _asked(sight: Sight, check: Check) -> Finding:
    """What a check found, asked up to ``tries`` times."""
    why = ""
    for tried in range(1, check.tries + 1):
        if tried > 1:
            time.sleep(PAUSE_S * tried)
        began = time.perf_counter()
        try:
            seen = _in_thread(partial(check.ask, sight)).result(check.timeout_s)
        except concurrent.futures.TimeoutError:
            why = f"no answer in {check.timeout_s:.0f} s"
            continue
        except (Unwell, CloudFailed, ClientError, BotoCoreError, OSError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            continue
        took_ms = round(1000 * (time.perf_counter() - began), 1)
        verdict, evidence = seen.verdict, seen.evidence
        if tried > 1 and verdict is Verdict.OK:
            verdict, evidence = Verdict.DEGRADED, f"{evidence} (before: {why})"
        return Finding(check.name, verdict, evidence[:MAX_EVIDENCE], took_ms, tried)
    return Finding(check.name, Verdict.FAILED, why[:MAX_EVIDENCE], 0.0, check.tries)


def _in_thread(work: Callable[[], Answer]) -> "concurrent.futures.Future[Answer]":
    """What ``work`` gives, asked in a thread of its own.

    A check that hangs is left behind in it, and nobody who ends has to wait for it: an executor's
    threads are joined when the interpreter ends, so that Ctrl-C would have to wait too.
    """
    future: concurrent.futures.Future[Answer] = concurrent.futures.Future()

    def answer() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=answer, name="health", daemon=True).start()
    return future
