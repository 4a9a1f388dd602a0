"""How checks are asked: tried again, in time, and the one that waits for others begun first."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest

from engine.paths import RunPaths
from engine.stream.link import NotFound
from engine.stream.runs import register, target_of
from engine.stream.token import load_or_create_token
from infra.deploy.health.suite import Check, Seen, Sight, Unwell, run_checks
from infra.deploy.health.swarm import run_in
from infra.deploy.run import Verdict
from infra.environments import environment

SIGHT = Sight(environment("local"), cast("Any", None), {}, "b1", frozenset(), Path())


def test_a_check_that_waits_for_others_begins_before_them_and_is_told_in_its_place() -> None:
    begun = threading.Event()

    def waits(_: Sight) -> Seen:
        begun.set()
        return Seen("they came")

    def other(_: Sight) -> Seen:
        return Seen("yes" if begun.wait(5) else "it had not begun")

    told: list[str] = []
    found = run_checks(
        SIGHT,
        (Check("other", other), Check("waits", waits, begins_first=True)),
        lambda finding: told.append(finding.name),
    )

    assert [finding.evidence for finding in found] == ["yes", "they came"]
    assert told == ["other", "waits"]


def test_one_failure_is_enough_where_a_rollback_waits_for_it() -> None:
    never = threading.Event()
    asked: list[str] = []

    def refuse(name: str) -> Check:
        def ask(_: Sight) -> Seen:
            asked.append(name)
            raise Unwell("503")

        return Check(name, ask, tries=2)

    swarm = Check("swarm", lambda _: Seen(str(never.wait(60))), timeout_s=60, begins_first=True)
    checks = (refuse("lambda"), refuse("http"), swarm)
    began = time.monotonic()

    found = run_checks(SIGHT, checks, hurried=True)

    assert [finding.verdict for finding in found] == [
        Verdict.FAILED,
        Verdict.FAILED,
        Verdict.NOT_CHECKED,
    ]
    assert found[2].evidence == "not waited for: lambda, http failed"
    assert asked == ["lambda", "lambda", "http"]
    assert time.monotonic() - began < 30
    asked.clear()
    run_checks(SIGHT, checks[:2])
    assert asked == ["lambda", "lambda", "http", "http"], "a person who asks wants to know it all"
    never.set()


def test_a_check_that_needs_a_second_try_is_degraded_and_says_why() -> None:
    answers = [Unwell("503"), None]

    def ask(_: Sight) -> Seen:
        if (error := answers.pop(0)) is not None:
            raise error
        return Seen("200")

    [finding] = run_checks(SIGHT, (Check("http", ask, tries=2),))

    assert (finding.verdict, finding.tries) == (Verdict.DEGRADED, 2)
    assert finding.evidence == "200 (before: 503)"


def test_a_check_that_hangs_fails_in_its_time_and_holds_nobody_up() -> None:
    never = threading.Event()
    began = time.monotonic()

    [finding] = run_checks(
        SIGHT, (Check("hangs", lambda _: Seen(str(never.wait(60))), timeout_s=0.1, tries=1),)
    )

    assert finding.verdict is Verdict.FAILED
    assert "no answer in 0 s" in finding.evidence
    assert time.monotonic() - began < 30
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "health")
    never.set()


def test_the_swarm_that_is_asked_is_the_one_of_the_build_that_was_deployed(tmp_path: Path) -> None:
    home = tmp_path / "volumes" / "fs-1" / "own" / "engine"
    registry, roots = home / ".local" / "state" / "incident-commander" / "runs", {}
    waiting = [sys.executable, "-c", "input()"]
    tasks = {
        build: subprocess.Popen(waiting, stdin=subprocess.PIPE, env={"IC_BUILD": build})
        for build in ("old", "new")
    }
    try:
        for build in ("new", "old"):  # What was registered last is what is being replaced.
            roots[build] = RunPaths(tmp_path / build).make()
            roots[build].stream_address.write_text(f"ws://127.0.0.1:1/{build}")
            load_or_create_token(roots[build].stream_token)
            register(roots[build], tasks[build].pid, registry)

        assert target_of(run_in(tmp_path, "new").paths).url.endswith("/new")
        with pytest.raises(NotFound, match="no engine of build b3 is up"):
            run_in(tmp_path, "b3")
    finally:
        for task in tasks.values():
            task.communicate(b"\n")
