"""What is asked of an account beside what the CDK does: statuses, change sets, events, outputs.

One session, whose endpoint and credentials come from the environment alone: the emulator and AWS
differ in nothing here. Throttled calls are tried again by botocore (adaptive, ten times).
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.plan import Change, changes_of
from infra.deploy.progress import ResourceEvent
from infra.deploy.stacks import StackFact, Way, way_out
from infra.target import AwsClient

__all__ = ["Cloud", "CloudFailed"]

TRIES = 10
SETTLE_S = 3600.0
"""CloudFormation itself gives up on a stabilising ECS service after three hours; a person before."""
POLL_S = 2.0
"""An account answers some ten such questions a second, for everybody who asks it."""
LOOPBACK_POLL_S = 0.2
"""The emulator has no such limit."""
ABSENT = ("does not exist", "ChangeSetNotFound")


class CloudFailed(Exception):
    """The account did not do what was asked; the message says what it answered."""

    def __init__(self, message: str, given_up: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.given_up = tuple(given_up)
        """As ``Stack.Resource``: what would have to be given up so that a rollback can go on."""


class Cloud:
    """One account and region, through boto3."""

    def __init__(self, session: boto3.Session, *, poll_s: float = POLL_S) -> None:
        self.session = session
        self.poll_s = poll_s
        """Between two looks at what is on its way."""
        self._making = threading.Lock()
        self._config = Config(retries={"mode": "adaptive", "max_attempts": TRIES})
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> AwsClient:
        """A client of ``service``, made once."""
        # Clients may be used by several threads, and made by one at a time (boto3's guide).
        with self._making:
            if service not in self._clients:
                self._clients[service] = self.session.client(service, config=self._config)
            return self._clients[service]

    @property
    def _formation(self) -> AwsClient:
        return self.client("cloudformation")

    # --- stacks ---------------------------------------------------------------------------------

    def fact(self, name: str, change_set: str = "") -> StackFact:
        """What is true of a stack, and whether its change set still waits.

        Raises:
            CloudFailed: the account cannot be asked.
        """
        try:
            stacks = self._formation.describe_stacks(StackName=name)["Stacks"]
        except (ClientError, BotoCoreError) as error:
            if _absent(error):
                return StackFact(name, "")
            raise CloudFailed(f"{name}: {error}") from None
        stack = stacks[0]
        if stack["StackStatus"] == "DELETE_COMPLETE":
            return StackFact(name, "")
        pending = bool(change_set) and self._waits(name, change_set)
        return StackFact(
            name, stack["StackStatus"], stack.get("StackStatusReason", ""), pending=pending
        )

    def _waits(self, name: str, change_set: str) -> bool:
        try:
            found = self._formation.describe_change_set(StackName=name, ChangeSetName=change_set)
        except ClientError as error:
            if _absent(error):
                return False
            raise CloudFailed(f"{name}: {error}") from None
        return bool(found["ExecutionStatus"] == "AVAILABLE")

    def template(self, name: str) -> dict[str, Any]:
        """What is deployed as ``name`` now; empty where nothing is.

        Raises:
            CloudFailed: the account cannot be asked, or answers with no template.
        """
        try:
            body = self._formation.get_template(StackName=name, TemplateStage="Original")
        except (ClientError, BotoCoreError) as error:
            if _absent(error):
                return {}
            raise CloudFailed(f"{name}: {error}") from None
        text = body["TemplateBody"]
        try:
            found = json.loads(text) if isinstance(text, str) else dict(text)
        except ValueError as error:
            # Not one of ours: the CDK writes JSON.
            raise CloudFailed(f"{name}: its template is no JSON ({error})") from None
        return dict(found)

    def outputs(self, names: Sequence[str]) -> dict[str, str]:
        """All outputs of the stacks ``names``; those that do not exist are passed over."""
        found: dict[str, str] = {}
        for name in names:
            try:
                stack = self._formation.describe_stacks(StackName=name)["Stacks"][0]
            except (ClientError, BotoCoreError) as error:
                if _absent(error):
                    continue
                raise CloudFailed(f"{name}: {error}") from None
            found |= {
                entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", ())
            }
        return found

    def settle(
        self,
        names: Sequence[str],
        change_set: str = "",
        told: Callable[[], None] = lambda: None,
        limit_s: float = SETTLE_S,
    ) -> list[StackFact]:
        """Wait until none of the stacks is on its way any more.

        Raises:
            CloudFailed: one of them still is after ``limit_s``.
        """
        deadline = time.monotonic() + limit_s
        while True:
            facts = [self.fact(name, change_set) for name in names]
            moving = [fact.name for fact in facts if way_out(fact.status) is Way.WAIT]
            told()
            if not moving:
                return facts
            if time.monotonic() > deadline:
                raise CloudFailed(f"{', '.join(moving)} did not come to rest in {limit_s:.0f} s")
            time.sleep(self.poll_s)

    def events(self, name: str, since_s: float) -> list[ResourceEvent]:
        """The events of a stack since ``since_s`` (Unix seconds), oldest first."""
        found: list[ResourceEvent] = []
        try:
            pages = self._formation.get_paginator("describe_stack_events").paginate(StackName=name)
            for page in pages:
                for entry in page["StackEvents"]:
                    at_s = entry["Timestamp"].timestamp()
                    if at_s < since_s:
                        return found[::-1]
                    found.append(
                        ResourceEvent(
                            id=entry["EventId"],
                            at_s=at_s,
                            logical=entry["LogicalResourceId"],
                            type=entry["ResourceType"],
                            status=entry["ResourceStatus"],
                            reason=entry.get("ResourceStatusReason", ""),
                        )
                    )
        except (ClientError, BotoCoreError) as error:
            if not _absent(error):
                raise CloudFailed(f"{name}: {error}") from None
        return found[::-1]

    # --- change sets ----------------------------------------------------------------------------

    def changes(self, name: str, change_set: str) -> tuple[Change, ...]:
        """What a change set would do; nothing where there is none.

        Raises:
            CloudFailed: it could not be made, or the account cannot be asked.
        """
        entries: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            try:
                page = self._formation.describe_change_set(
                    StackName=name, ChangeSetName=change_set, IncludePropertyValues=True, **token
                )
            except (ClientError, BotoCoreError) as error:
                if _absent(error):
                    return ()
                raise CloudFailed(f"{name}: {error}") from None
            if page["Status"] == "FAILED" and not _no_changes(page.get("StatusReason", "")):
                raise CloudFailed(f"{name}: no change set: {page.get('StatusReason', '')}")
            entries += page.get("Changes", [])
            if not page.get("NextToken"):
                return changes_of(entries)
            token = {"NextToken": page["NextToken"]}

    def execute(self, name: str, change_set: str, *, protected: bool) -> None:
        """Let CloudFormation carry out a change set; it goes on whether we live or not.

        Raises:
            CloudFailed: it does not begin.
        """
        try:
            if protected:
                self._formation.update_termination_protection(
                    StackName=name, EnableTerminationProtection=True
                )
            self._formation.execute_change_set(StackName=name, ChangeSetName=change_set)
        except (ClientError, BotoCoreError) as error:
            raise CloudFailed(f"{name}: {error}") from None

    def drop_change_set(self, name: str, change_set: str) -> None:
        """Remove a change set, and the empty shell of a stack that was only ever planned."""
        try:
            self._formation.delete_change_set(StackName=name, ChangeSetName=change_set)
            if self.fact(name).status == "REVIEW_IN_PROGRESS":
                self._formation.delete_stack(StackName=name)
                self.settle([name])
        except (ClientError, BotoCoreError) as error:
            if not _absent(error):
                raise CloudFailed(f"{name}: {error}") from None

    # --- ways out -------------------------------------------------------------------------------

    def help_out(
        self, facts: Sequence[StackFact], orphans: Mapping[str, Sequence[str]]
    ) -> list[str]:
        """Bring stuck stacks back to where they can be changed; what was done, in words.

        Args:
            facts: the stacks.
            orphans: for each stack, resources that a person gives up: they stay as they are.

        Raises:
            CloudFailed: one of them stays stuck; the message says how a person can go on.
        """
        told = []
        for fact in facts:
            way = way_out(fact.status)
            if way is Way.NONE:
                continue
            told.append(f"{fact.name} is in {fact.status}: {way.value}")
            if way is Way.WAIT:
                self.settle([fact.name])
                told += self.help_out([self.fact(fact.name)], orphans)
            elif way is Way.CONTINUE:
                self._continue(fact.name, orphans.get(fact.name, ()))
            else:
                self._delete(fact.name)
        return told

    def _continue(self, name: str, skip: Sequence[str]) -> None:
        # An empty list would be sent as one resource without a name.
        given_up = {"ResourcesToSkip": list(skip)} if skip else {}
        try:
            self._formation.continue_update_rollback(StackName=name, **given_up)
        except (ClientError, BotoCoreError) as error:
            raise CloudFailed(f"{name}: {error}") from None
        fact = self.settle([name])[0]
        if way_out(fact.status) is Way.CONTINUE:
            stuck = self._failed_to_roll_back(name)
            named = f" ({', '.join(stuck)})" if stuck else ""
            raise CloudFailed(f"{name} cannot roll back{named}: {fact.reason}", stuck)

    def _failed_to_roll_back(self, name: str) -> list[str]:
        """The resources that CloudFormation may be told to pass over: those whose update failed."""
        stuck: list[str] = []
        for event in reversed(self.events(name, 0.0)):
            if event.logical == name and event.status == "UPDATE_ROLLBACK_IN_PROGRESS":
                break
            if event.status == "UPDATE_FAILED":
                stuck.append(f"{name}.{event.logical}")
        return stuck

    def begin_delete(self, name: str) -> None:
        """Let CloudFormation take a stack away; it goes on whether we live or not.

        Raises:
            CloudFailed: it does not begin.
        """
        try:
            self._formation.delete_stack(StackName=name)
        except (ClientError, BotoCoreError) as error:
            raise CloudFailed(f"{name}: {error}") from None

    def _delete(self, name: str) -> None:
        self.begin_delete(name)
        fact = self.settle([name])[0]
        if fact.status:
            raise CloudFailed(f"{name} cannot be deleted ({fact.status}): {fact.reason}")

    # --- beside the stacks ----------------------------------------------------------------------

    def ringing(self, prefix: str) -> tuple[list[str], int]:
        """The alarms under ``prefix`` that ring, and how many there are."""
        ringing, count = [], 0
        try:
            for page in (
                self.client("cloudwatch")
                .get_paginator("describe_alarms")
                .paginate(AlarmNamePrefix=prefix)
            ):
                for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())):
                    count += 1
                    if alarm["StateValue"] == "ALARM":
                        ringing.append(alarm["AlarmName"])
        except (ClientError, BotoCoreError) as error:
            raise CloudFailed(f"alarms: {error}") from None
        return ringing, count

    def drifted(self, names: Sequence[str], limit_s: float = 60.0) -> list[str]:
        """The resources that are not as their stacks say, as ``Stack.Logical``.

        Raises:
            CloudFailed: drift cannot be detected.
        """
        asked = {}
        found = []
        try:
            for name in names:
                if self.fact(name).status:
                    answer = self._formation.detect_stack_drift(StackName=name)
                    asked[name] = answer["StackDriftDetectionId"]
            deadline = time.monotonic() + limit_s
            for name, detection in asked.items():
                while self._detecting(detection):
                    if time.monotonic() > deadline:
                        raise CloudFailed(f"{name}: drift was not detected in {limit_s:.0f} s")
                    time.sleep(self.poll_s)
                answer = self._formation.describe_stack_resource_drifts(
                    StackName=name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
                )
                found += [
                    f"{name}.{entry['LogicalResourceId']}"
                    for entry in answer["StackResourceDrifts"]
                ]
        except (ClientError, BotoCoreError) as error:
            raise CloudFailed(f"drift: {error}") from None
        return found

    def _detecting(self, detection: str) -> bool:
        answer = self._formation.describe_stack_drift_detection_status(
            StackDriftDetectionId=detection
        )
        return bool(answer["DetectionStatus"] == "DETECTION_IN_PROGRESS")


def _absent(error: Exception) -> bool:
    return any(word in str(error) for word in ABSENT)


def _no_changes(reason: str) -> bool:
    return "didn't contain changes" in reason or "No updates are to be performed" in reason
