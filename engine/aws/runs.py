"""Asks AWS which run of a service is live; every call here blocks."""

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from engine.aws.bindings import (
    NO_GENERATION,
    AutoScalingGroup,
    Binding,
    EcsService,
    LambdaAlias,
    Run,
    SsmDocument,
    newest_instance,
    newest_task,
    version_run,
)
from engine.aws.clients import Client


class Runs:
    """What is live, by binding."""

    def __init__(self, client: Callable[[str], Client]) -> None:
        """Make clients with ``client`` when they are first needed."""
        self._make = client
        self._clients: dict[str, Client] = {}

    def client(self, service: str) -> Client:
        """The client of one AWS service, made once."""
        if service not in self._clients:
            self._clients[service] = self._make(service)
        return self._clients[service]

    def live(self, binding: Binding) -> Run | None:
        """The run that is live now, or the last one; None where there is none.

        Raises:
            BotoCoreError, ClientError: AWS cannot be asked.
        """
        match binding:
            case EcsService():
                running = newest_task(self.tasks(binding, "RUNNING"))
                return running or newest_task(self.tasks(binding, "STOPPED"))
            case LambdaAlias(function, alias):
                found = self.client("lambda").get_alias(FunctionName=function, Name=alias)
                return version_run(found)
            case AutoScalingGroup(group):
                groups = self.client("autoscaling").describe_auto_scaling_groups(
                    AutoScalingGroupNames=[group]
                )["AutoScalingGroups"]
                return newest_instance(groups[0]) if groups else None
            case SsmDocument():
                return Run(binding.instance, NO_GENERATION, alive=True)
            case _:
                assert_never(binding)

    def tasks(self, binding: EcsService, status: str) -> list[Mapping[str, Any]]:
        """The tasks of an ECS service whose desired status is ``status``."""
        ecs = self.client("ecs")
        arns = ecs.list_tasks(
            cluster=binding.cluster, serviceName=binding.service, desiredStatus=status
        )["taskArns"]
        if not arns:
            return []
        found: list[Mapping[str, Any]] = ecs.describe_tasks(cluster=binding.cluster, tasks=arns)[
            "tasks"
        ]
        return found
