"""The hands on AWS: an ``engine.ports.Executor`` for ECS, Lambda, Auto Scaling and SSM.

The same certificates, preconditions and journal as everywhere. Every effect carries the action's
key where AWS has a place for it (a task's stop reason, a command's comment), so that after a crash
AWS itself says whether it was done; where it has none the effect is a state that is asked for, and
asking for it twice does nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, assert_never

from engine.aws.bindings import (
    NO_GENERATION,
    AutoScalingGroup,
    Binding,
    EcsService,
    LambdaAlias,
    Run,
    SsmDocument,
)
from engine.aws.clients import AWS_ERRORS, Client, code_of
from engine.aws.runs import Runs
from engine.ports import ActionKey, Report
from engine.vocabulary import Action, Deploy, Generation, OutcomeKind, RestartService, RollBack

REPLACED_WITHIN_S = 120.0
"""Fargate needs half a minute to a minute for a new task."""
LOOK_EVERY_S = 0.5
T = TypeVar("T")


class AwsExecutor:
    """Carries actions out on the resources that ``bindings`` name, by service."""

    def __init__(self, bindings: Mapping[str, Binding], client: Callable[[str], Client]) -> None:
        """Make clients with ``client`` when they are first needed."""
        self._bindings = bindings
        self._runs = Runs(client)

    async def perform(self, key: ActionKey, action: Action) -> Report:
        """Carry ``action`` out unless its precondition no longer holds; idempotent by ``key``.

        Raises:
            OSError: AWS cannot be reached or refuses us; nothing is known.
        """
        binding = self._bindings.get(action.service)
        if binding is None:
            return Report(OutcomeKind.NOT_DONE, None, "the service is bound to nothing on AWS")
        known = await self.observe(key, action)
        if known.outcome is not OutcomeKind.NOT_DONE:
            return known
        run = await self._call(self._runs.live, binding)
        if not isinstance(action, Deploy) and not _is_meant(run, action.generation, binding):
            live = None if run is None else run.generation
            return Report(OutcomeKind.NOT_DONE, live, "another run is live")
        match action:
            case RestartService():
                done = await self._call(self._restart, binding, run, key)
            case RollBack() | Deploy():
                done = await self._call(self._release, binding, action.to_release)
            case _:
                assert_never(action)
        if not done:
            return Report(OutcomeKind.NOT_DONE, None, "this resource has no such action")
        return await self._settled(key, action, binding)

    async def observe(self, key: ActionKey, action: Action) -> Report:
        """What came of ``key``: done, not done (and may be performed), or unknown.

        Raises:
            OSError: AWS cannot be reached or refuses us; nothing is known.
        """
        binding = self._bindings.get(action.service)
        if binding is None:
            return Report(OutcomeKind.NOT_DONE, None, "the service is bound to nothing on AWS")
        return await self._call(self._observed, binding, key, action)

    async def _settled(self, key: ActionKey, action: Action, binding: Binding) -> Report:
        """Wait until another run is live, or the release is; the report then names it."""
        try:
            async with asyncio.timeout(REPLACED_WITHIN_S):
                while True:
                    run = await self._call(self._runs.live, binding)
                    report = await self.observe(key, action)
                    if run is not None and run.alive and report.outcome is OutcomeKind.DONE:
                        return report
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            return Report(OutcomeKind.UNKNOWN, None, "no new run in time")

    async def _call(self, work: Callable[..., T], *args: object) -> T:
        """Do blocking ``work`` in a thread; what AWS raises becomes an ``OSError``."""
        try:
            return await asyncio.to_thread(work, *args)
        except AWS_ERRORS as error:
            raise ConnectionError(f"AWS: {code_of(error)}") from None

    # --- in a thread: what came of it ---------------------------------------------------------

    def _observed(self, binding: Binding, key: ActionKey, action: Action) -> Report:
        run = self._runs.live(binding)
        live = None if run is None else run.generation
        if isinstance(action, RollBack | Deploy):
            there = live is not None and live.release == action.to_release
            return Report(OutcomeKind.DONE if there else OutcomeKind.NOT_DONE, live)
        match binding:
            case EcsService():
                ended = self._runs.tasks(binding, "STOPPED")
                done = any(mark(key) in task.get("stoppedReason", "") for task in ended)
            case SsmDocument():
                return self._command_report(binding, key)
            case AutoScalingGroup():
                # A terminated instance is gone from its group, and only we may terminate it.
                done = live is not None and live.pid != action.generation.pid
            case LambdaAlias():
                done = False
            case _:
                assert_never(binding)
        return Report(OutcomeKind.DONE if done else OutcomeKind.NOT_DONE, live)

    def _command_report(self, binding: SsmDocument, key: ActionKey) -> Report:
        command = self._command(binding, key)
        if command is None:
            return Report(OutcomeKind.NOT_DONE)
        if command["Status"] == "Success":
            return Report(OutcomeKind.DONE, NO_GENERATION)
        ended = command["Status"] not in {"Pending", "InProgress"}
        return Report(
            OutcomeKind.UNKNOWN, None, "the command failed" if ended else "the command runs"
        )

    def _command(self, binding: SsmDocument, key: ActionKey) -> Mapping[str, Any] | None:
        pages = (
            self._runs.client("ssm")
            .get_paginator("list_commands")
            .paginate(
                InstanceId=binding.instance,
                Filters=[{"key": "DocumentName", "value": binding.document}],
            )
        )
        for page in pages:
            for command in page["Commands"]:
                if command.get("Comment") == mark(key):
                    return dict(command)
        return None

    # --- in a thread: what is done --------------------------------------------------------------

    def _restart(self, binding: Binding, run: Run | None, key: ActionKey) -> bool:
        match binding:
            case EcsService(cluster):
                if run is not None:
                    self._runs.client("ecs").stop_task(
                        cluster=cluster, task=run.id, reason=mark(key)
                    )
                return run is not None
            case AutoScalingGroup():
                if run is not None:
                    self._runs.client("autoscaling").terminate_instance_in_auto_scaling_group(
                        InstanceId=run.id, ShouldDecrementDesiredCapacity=False
                    )
                return run is not None
            case SsmDocument():
                self._runs.client("ssm").send_command(
                    InstanceIds=[binding.instance],
                    DocumentName=binding.document,
                    Parameters=binding.parameters,
                    Comment=mark(key),
                )
                return True
            case LambdaAlias():
                return False
            case _:
                assert_never(binding)

    def _release(self, binding: Binding, release: str) -> bool:
        match binding:
            case EcsService(cluster, service):
                self._runs.client("ecs").update_service(
                    cluster=cluster, service=service, taskDefinition=release
                )
                return True
            case LambdaAlias(function, alias):
                self._runs.client("lambda").update_alias(
                    FunctionName=function, Name=alias, FunctionVersion=release
                )
                return True
            case AutoScalingGroup(group, template):
                self._runs.client("autoscaling").update_auto_scaling_group(
                    AutoScalingGroupName=group,
                    LaunchTemplate={"LaunchTemplateName": template, "Version": release},
                )
                return True
            case SsmDocument():
                return False
            case _:
                assert_never(binding)


def mark(key: ActionKey) -> str:
    """What AWS remembers an action by: names the certificate and the step, at most 100 characters."""
    return f"incident-commander {key.certificate.hex()[:40]} {key.step}{' undo' * key.undo}"


def _is_meant(run: Run | None, meant: Generation, binding: Binding) -> bool:
    """Whether the run that is live is the one that the action's precondition names."""
    if isinstance(binding, SsmDocument):
        return True  # A document has no runs: its effect is the same whichever process it meets.
    if isinstance(binding, LambdaAlias):
        return run is not None and run.generation.release == meant.release
    return run is not None and run.generation == meant
