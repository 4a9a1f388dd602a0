"""Lets CloudFormation do what was decided: change sets carried out, stacks taken away.

Several stacks at a time, as far as the order in which they stand on each other allows. The CDK's command
line prepares; it could do this too, but looks at one stack after the other and only every five
seconds (measured on the emulator: 50 of 58 s for nine stacks that had gone at once).
"""

import time
from collections.abc import Sequence

from infra.deploy.assembly import StackOf
from infra.deploy.cloud import SETTLE_S, Cloud
from infra.deploy.follow import Follower
from infra.deploy.run import Broke, Succeeded
from infra.deploy.stacks import Judgement, judge, removable, startable

__all__ = ["carry_out", "take_away"]


def carry_out(
    cloud: Cloud, stacks: Sequence[StackOf], change_set: str, follower: Follower
) -> Succeeded | Broke:
    """Carry out the change sets called ``change_set``, each stack's after those it stands on.

    May be called again after a crash: what was carried out already is seen and not repeated.

    Raises:
        CloudFailed: the account cannot be asked, or does not begin.
    """
    known = {stack.name: stack for stack in stacks}
    needs = {name: stack.after for name, stack in known.items()}
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        facts = [cloud.fact(name, change_set) for name in known]
        follower(facts)
        judgement, reason = judge(facts)
        if judgement is Judgement.APPLIED:
            return Succeeded()
        if judgement is Judgement.FAILED:
            return Broke(follower.first_failure or reason)
        ready = startable(facts, needs)
        for name in ready:
            cloud.execute(name, change_set, protected=known[name].protected)
        if not ready:
            time.sleep(cloud.poll_s)
    return Broke(f"CloudFormation did not come to an end in {SETTLE_S:.0f} s")


def take_away(cloud: Cloud, stacks: Sequence[StackOf], follower: Follower) -> Succeeded | Broke:
    """Delete ``stacks``, each after those that stand on it; those that are gone are passed over.

    Raises:
        CloudFailed: the account cannot be asked, or refuses: a protected stack, for instance.
    """
    needs = {stack.name: stack.after for stack in stacks}
    asked: set[str] = set()
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        facts = [cloud.fact(name) for name in needs]
        follower(facts)
        left = [fact for fact in facts if fact.status]
        if not left:
            return Succeeded()
        if failed := [it for it in left if it.name in asked and it.status == "DELETE_FAILED"]:
            names = ", ".join(f"{fact.name} ({fact.reason or fact.status})" for fact in failed)
            return Broke(f"{names}: still there; {follower.first_failure}")
        # A stack that was left half deleted by an earlier try is asked again, once.
        ready = [name for name in removable(left, needs) if name not in asked]
        for name in ready:
            cloud.begin_delete(name)
        asked.update(ready)
        if not ready:
            time.sleep(cloud.poll_s)
    return Broke(f"CloudFormation did not come to an end in {SETTLE_S:.0f} s")
