"""What every stack of ours has: a fixed name, tags, protection, and our way to explain a finding.

The stacks are functions over plain CDK constructs and not subclasses: what one stack gives to the
next is a small frozen value that can be read at a glance.
"""

from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from constructs import IConstruct

from infra.environments import Environment, Removal
from infra.names import Names

__all__ = ["Part", "explain"]


@dataclass(frozen=True)
class Part:
    """What is needed to add a stack to the application of one environment."""

    app: cdk.App
    environment: Environment
    build: str
    """What is deployed, for instance a commit's hash: health reports it back."""
    functions: Path
    """The Lambdas' code, staged."""
    image: Path
    """The image's build context, staged."""
    unhealthy: bool = False
    """A rehearsal: this build's health page says that it is not well."""

    @property
    def names(self) -> Names:
        """What things are called."""
        return Names(self.environment)

    @property
    def removal(self) -> cdk.RemovalPolicy:
        """What becomes of data."""
        kept = self.environment.removal is Removal.RETAIN
        return cdk.RemovalPolicy.RETAIN if kept else cdk.RemovalPolicy.DESTROY

    def stack(self, name: str, purpose: str, *after: cdk.Stack) -> cdk.Stack:
        """A new stack, deployed after those that it stands on."""
        place = self.environment
        stack = cdk.Stack(
            self.app,
            self.names.stack(name),
            description=f"Incident Commander, {place.name}: {purpose}",
            env=cdk.Environment(account=place.account, region=place.region),
            termination_protection=place.protected,
        )
        cdk.Tags.of(stack).add("incident-commander:environment", place.name)
        cdk.Tags.of(stack).add("incident-commander:stack", name)
        for earlier in after:
            stack.add_stack_dependency(earlier)
        return stack


def explain(construct: IConstruct, rule: str, why: str) -> None:
    """Accept what a rule says about ``construct`` and what is below it, for a reason.

    Args:
        construct: as small as possible: the reason must hold for all of it.
        rule: the rule's name, with the one finding where it tells them apart:
            ``AwsSolutions-IAM5[Resource::*]``.
        why: the reason, for whoever audits the templates.
    """
    cdk.Validations.of(construct).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions::{rule}", reason=why)
    )
