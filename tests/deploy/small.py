"""A deployment of one small stack, for faults: a handmade assembly, real CDK, the real emulator."""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.deploy.cdk import Cdk
from infra.deploy.cloud import Cloud
from infra.deploy.conductor import Conductor, Desired
from infra.deploy.good import Good
from infra.deploy.journal import Progress, Shelf
from infra.deploy.plan import Plan
from infra.deploy.run import Approved, Finding, Kind, Run, Stopped, Verdict
from infra.deploy.source import Source
from infra.deploy.steps import Script, Steps
from infra.environments import Environment, environment
from infra.localaws import Running

__all__ = ["Small", "queue", "small_assembly"]

BUCKET = "cdk-hnb659fds-assets-123456789012-us-east-1"
"""The bucket of the CDK's bootstrap."""


def queue(name: str, **properties: object) -> dict[str, Any]:
    """A template with one topic and one queue."""
    return {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "DependsOn": "Topic",
                "Properties": {"QueueName": name, **properties},
            },
        }
    }


def small_assembly(folder: Path, stack: str, template: dict[str, Any]) -> Path:
    """A cloud assembly of one stack, as the CDK would write it."""
    folder.mkdir(parents=True)
    body = json.dumps(template, indent=1).encode()
    name = f"{hashlib.sha256(body).hexdigest()}.json"
    file = f"{stack}.template.json"
    assets = {
        "version": "48.0.0",
        "files": {
            name: {
                "source": {"path": file, "packaging": "file"},
                "destinations": {"here": {"bucketName": BUCKET, "objectKey": name}},
            }
        },
    }
    manifest = {
        "version": "48.0.0",
        "artifacts": {
            f"{stack}.assets": {
                "type": "cdk:asset-manifest",
                "properties": {"file": f"{stack}.assets.json"},
            },
            stack: {
                "type": "aws:cloudformation:stack",
                "environment": "aws://123456789012/us-east-1",
                "properties": {
                    "templateFile": file,
                    "stackTemplateAssetObjectUrl": f"s3://{BUCKET}/{name}",
                },
                "dependencies": [f"{stack}.assets"],
                "displayName": stack,
            },
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / f"{stack}.assets.json").write_text(json.dumps(assets))
    (folder / file).write_bytes(body)
    return folder


class Small:
    """Deploys one stack called ``name`` from ``root``."""

    def __init__(self, running: Running, root: Path, name: str) -> None:
        self.build = "build-1"
        self.emulator = running.folder
        self.root = root
        self.name = name
        self.shelf = Shelf(root, "local").make()
        self.variables = running.environment()
        self.said: list[str] = []
        self.make_cloud: Callable[[boto3.Session], Cloud] = lambda session: Cloud(
            session, poll_s=0.1
        )
        self.make_cdk: Callable[[Path], Cdk] = lambda log: Cdk(self.variables, log)
        self.place: Environment = replace(environment("local"), bake_s=0)
        self.cloud = self.make_cloud(boto3.Session(region_name="us-east-1"))

    def template(self, template: dict[str, Any]) -> Path:
        """An assembly that deploys ``template``."""
        number = len(list(self.root.glob("made-*")))
        return small_assembly(self.root / f"made-{number}", self.name, template)

    def conduct(
        self,
        kind: Kind,
        assembly: Path | None = None,
        *,
        well: Callable[[], bool] = lambda: True,
        answer: Callable[[str], Approved | Stopped | None] = lambda _: None,
        given_up: Sequence[str] = (),
        **desired: str,
    ) -> Run:
        """Do one command."""
        cloud = self.make_cloud(boto3.Session(region_name="us-east-1"))

        def health(asked: Cloud, _assembly: Path, _build: str) -> tuple[Finding, ...]:
            try:
                asked.client("sqs").get_queue_url(QueueName=self.name)
            except ClientError as error:
                return (Finding("queue", Verdict.FAILED, str(error)),)
            verdict = Verdict.OK if well() else Verdict.FAILED
            return (Finding("queue", verdict, "it is there"),)

        script = Script(
            application=lambda _name, _build: [sys.executable, "-c", "raise SystemExit(1)"],
            health=health,
            assembly=assembly,
            orphans={self.name: given_up},
        )
        source = Source(self.build, (), versioned=True)

        def steps(progressed: Callable[[Progress], None]) -> Steps:
            return Steps(
                self.place,
                self.shelf,
                cloud,
                self.make_cdk,
                script,
                source,
                self.said.append,
                progressed,
            )

        def ask(_plan: Plan, digest: str) -> Approved | Stopped | None:
            return answer(digest)

        conductor = Conductor(self.place, self.shelf, cloud, source, steps, self.said.append, ask)
        return conductor.conduct(Desired(kind, **desired))  # type: ignore[arg-type]

    def clean(self) -> None:
        """Leave neither a stack nor a good assembly in the account: the next test begins anew."""
        self.cloud.client("cloudformation").delete_stack(StackName=self.name)
        self.cloud.settle([self.name])
        Good(self.cloud, self.shelf).forget()

    def status(self) -> str:
        """The stack's status; empty when there is none."""
        return self.cloud.fact(self.name).status

    def visibility(self) -> str:
        """What the queue really has."""
        sqs = self.cloud.client("sqs")
        url = sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        return str(found["Attributes"]["VisibilityTimeout"])
