"""Every fault of a deployment ends in a stated state from which one can go on: on the emulator."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from infra.deploy.account_lock import AccountLock
from infra.deploy.cdk import Cdk
from infra.deploy.cloud import Cloud
from infra.deploy.local_lock import Held, Holder
from infra.deploy.run import Approved, Kind, Phase, Run
from infra.environments import Approval
from infra.localaws import Running, end_local_aws, find_local_aws, start_local_aws
from tests.deploy.small import Small, queue

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(300)]

BAD = {"FifoQueue": True}
"""A FIFO queue's name ends in ``.fifo``: this one cannot be made."""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("emulator")
    running = start_local_aws(folder)
    before = dict(os.environ)
    os.environ.update(running.environment())
    Cdk(running.environment(), folder / "bootstrap.log").bootstrap("123456789012", "us-east-1")
    try:
        yield running
    finally:
        end_local_aws(folder)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def small(emulator: Running, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Small]:
    made = Small(emulator, tmp_path, f"t{abs(hash(request.node.name)) % 10**8}")
    yield made
    made.clean()


def test_a_resource_that_cannot_be_made_is_rolled_back_to_what_was_good(small: Small) -> None:
    good = small.conduct(Kind.APPLY, small.template(queue(small.name, VisibilityTimeout=30)))
    bad = small.conduct(Kind.APPLY, small.template(queue(small.name, VisibilityTimeout=60, **BAD)))

    assert good.phase is Phase.DONE
    assert bad.phase is Phase.ROLLED_BACK
    assert "Queue" in bad.reason
    assert small.visibility() == "30"
    assert small.shelf.good() == good.number


def test_a_change_that_makes_health_fail_is_rolled_back_with_no_hand_on_it(small: Small) -> None:
    small.conduct(Kind.APPLY, small.template(queue(small.name, VisibilityTimeout=30)))
    bad = small.conduct(
        Kind.APPLY,
        small.template(queue(small.name, VisibilityTimeout=60)),
        well=lambda: small.visibility() == "30",
    )

    assert bad.phase is Phase.ROLLED_BACK
    assert bad.reason.startswith("health:")
    assert small.visibility() == "30"


def test_a_first_creation_that_fails_says_what_to_do_and_the_next_apply_does_it(
    small: Small,
) -> None:
    failed = small.conduct(Kind.APPLY, small.template(queue(small.name, **BAD)))
    assert failed.phase is Phase.FAILED
    assert "main.py deploy apply local" in failed.remedy
    assert small.status() == "ROLLBACK_COMPLETE"

    refused = small.conduct(Kind.PLAN, small.template(queue(small.name)))
    assert refused.phase is Phase.REFUSED
    assert "ROLLBACK_COMPLETE" in refused.reason

    mended = small.conduct(Kind.APPLY, small.template(queue(small.name)))
    assert mended.phase is Phase.DONE
    assert any("delete what a failed first creation left" in line for line in small.said)


# --- a rollback that cannot be done ----------------------------------------------------------------


def with_a_wait(name: str) -> dict[str, Any]:
    """An update that stops at a condition, behind all else, until somebody signals."""
    template = with_a_document(name, 60)
    template["Resources"]["Wait"] = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "DependsOn": ["Queue", "Side"],
        "CreationPolicy": {"ResourceSignal": {"Count": 1, "Timeout": "PT2M"}},
    }
    return template


def with_a_document(name: str, seconds: int) -> dict[str, Any]:
    template = queue(name, VisibilityTimeout=seconds)
    template["Resources"]["Side"] = {
        "Type": "AWS::SSM::Document",
        "Properties": {"Name": name, "DocumentType": "Command", "Content": sleeping(seconds)},
    }
    return template


def sleeping(seconds: int) -> dict[str, Any]:
    """A document that can be told apart by its number."""
    step = {"runCommand": [f"sleep {seconds}"]}
    return {
        "schemaVersion": "2.2",
        "mainSteps": [{"action": "aws:runShellScript", "name": "sleep", "inputs": step}],
    }


def sabotage(small: Small) -> None:
    """Once all is changed, delete the document behind CloudFormation's back, and let the rest fail."""
    cloud = Cloud(boto3.Session(region_name="us-east-1"))
    documents, formation = cloud.client("ssm"), cloud.client("cloudformation")

    def waits() -> bool:
        events = cloud.events(small.name, 0.0)
        return any(it.logical == "Wait" and it.status.endswith("_IN_PROGRESS") for it in events)

    def fail() -> bool:
        try:
            formation.signal_resource(
                StackName=small.name, LogicalResourceId="Wait", UniqueId="1", Status="FAILURE"
            )
        except ClientError:
            # It begins to listen a moment after it says that it waits.
            return False
        return True

    def once(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.05)

    def work() -> None:
        once(waits)
        documents.delete_document(Name=small.name)
        once(fail)

    threading.Thread(target=work, daemon=True).start()


def stuck(small: Small) -> Run:
    """A run whose rollback CloudFormation cannot do either."""
    small.conduct(Kind.APPLY, small.template(with_a_document(small.name, 30)))
    sabotage(small)
    return small.conduct(Kind.APPLY, small.template(with_a_wait(small.name)))


def test_a_rollback_that_fails_names_the_resource_and_a_person_gives_it_up(small: Small) -> None:
    failed = stuck(small)

    assert (failed.phase, failed.rollbacks) == (Phase.FAILED, 2), (failed, small.said)
    assert small.status() == "UPDATE_ROLLBACK_FAILED"
    assert f"{small.name} cannot roll back ({small.name}.Side)" in failed.reason
    assert f"main.py deploy rollback local --orphan {small.name}.Side" in failed.remedy

    back = small.conduct(Kind.ROLLBACK, given_up=["Side"])
    assert back.phase is Phase.ROLLED_BACK
    assert small.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert small.visibility() == "30"


def test_a_rollback_that_fails_goes_on_once_what_was_missing_is_put_back(small: Small) -> None:
    assert stuck(small).phase is Phase.FAILED
    small.cloud.client("ssm").create_document(
        Name=small.name, DocumentType="Command", Content=json.dumps(sleeping(60))
    )

    mended = small.conduct(Kind.APPLY, small.template(with_a_document(small.name, 45)))

    assert mended.phase is Phase.DONE
    assert any("UPDATE_ROLLBACK_FAILED: continue its rollback" in line for line in small.said)
    assert small.visibility() == "45"


# --- what dies on the way --------------------------------------------------------------------------


def kill_when_it_runs(cdk: Cdk) -> None:
    """End the CDK of its first step, as the kernel would when memory is short."""

    def kill() -> None:
        deadline = time.monotonic() + 30
        while not cdk.pid and time.monotonic() < deadline:
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(cdk.pid, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


def test_a_cdk_that_is_lost_before_anything_changed_leaves_nothing_begun(small: Small) -> None:
    plain = small.make_cdk

    def lost(log: Path) -> Cdk:
        cdk = plain(log)
        kill_when_it_runs(cdk)
        return cdk

    small.make_cdk = lost
    assembly = small.template(queue(small.name))
    run = small.conduct(Kind.APPLY, assembly)

    assert run.phase is Phase.REFUSED
    assert "SIGKILL" in run.reason
    small.make_cdk = plain
    assert small.conduct(Kind.APPLY, assembly).phase is Phase.DONE


def test_a_cdk_that_is_lost_in_the_rollback_is_started_again(small: Small) -> None:
    small.conduct(Kind.APPLY, small.template(queue(small.name, VisibilityTimeout=30)))
    plain = small.make_cdk
    killed: list[Phase] = []

    def lost(log: Path) -> Cdk:
        cdk = plain(log)
        phase = small.shelf.newest().run().phase  # type: ignore[union-attr]
        if phase is Phase.ROLLBACK and not killed:
            killed.append(phase)
            kill_when_it_runs(cdk)
        return cdk

    small.make_cdk = lost
    bad = small.conduct(
        Kind.APPLY,
        small.template(queue(small.name, VisibilityTimeout=60)),
        well=lambda: small.visibility() == "30",
    )

    assert killed
    assert (bad.phase, bad.rollbacks) == (Phase.ROLLED_BACK, 2)
    assert small.visibility() == "30"


DYING = """
import os, resource, signal, sys
from pathlib import Path
from infra.deploy.cloud import Cloud
from infra.deploy.run import Kind
from infra.deploy.steps import Steps
from infra.localaws import find_local_aws
from tests.deploy.small import Small

folder, root, name, assembly, kind, visibility, where = sys.argv[1:]
running = find_local_aws(Path(folder))
os.environ.update(running.environment())
small = Small(running, Path(root), name)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def leave_no_room():
    size = small.shelf.newest().events.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, size + 20))

class Begun(Cloud):
    def execute(self, name, change_set, *, protected):
        super().execute(name, change_set, protected=protected)
        {"begun": die, "full": leave_no_room}.get(where, lambda: None)()

done = Steps.do

def do(self, effect, run, folder):
    came = done(self, effect, run, folder)
    if type(effect).__name__ == where:
        die()
    return came

Steps.do = do
small.make_cloud = lambda session: Begun(session, poll_s=0.05)
well = lambda: visibility in ("", small.visibility())
small.conduct(Kind(kind), Path(assembly) if assembly else None, well=well)
"""


def dies(
    small: Small, kind: Kind, where: str, assembly: Path | None = None, visibility: str = ""
) -> "subprocess.CompletedProcess[str]":
    """A process that deploys and ends in the middle: once ``where`` is done and before it is written down."""
    arguments = (
        small.emulator,
        small.root,
        small.name,
        assembly or "",
        kind.value,
        visibility,
        where,
    )
    return subprocess.run(
        [sys.executable, "-c", DYING, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )


def phase(small: Small) -> Phase:
    newest = small.shelf.newest()
    assert newest is not None
    return newest.run().phase


def test_whoever_is_killed_at_any_step_is_taken_up_again_by_the_same_command(small: Small) -> None:
    good = small.template(queue(small.name, VisibilityTimeout=30))
    for where, left in (
        ("MakePlan", Phase.PLAN),
        ("begun", Phase.APPLY),
        ("ApplyStacks", Phase.APPLY),
        ("CheckHealth", Phase.HEALTH),
        ("WatchAlarms", Phase.BAKE),
    ):
        done = dies(small, Kind.APPLY, where, good)
        assert (done.returncode, phase(small)) == (-signal.SIGKILL, left), done.stderr[-2000:]
    deployed = small.conduct(Kind.APPLY, good)
    assert deployed.phase is Phase.DONE
    assert deployed.number == 2, "before a change one begins anew, after it one goes on"

    bad = small.template(queue(small.name, VisibilityTimeout=60))
    for where, left in (("ReturnToGood", Phase.ROLLBACK), ("CheckHealth", Phase.RECHECK)):
        done = dies(small, Kind.APPLY, where, bad, visibility="30")
        assert (done.returncode, phase(small)) == (-signal.SIGKILL, left), done.stderr[-2000:]
    back = small.conduct(Kind.APPLY, bad)
    assert (back.phase, small.visibility()) == (Phase.ROLLED_BACK, "30")

    done = dies(small, Kind.DESTROY, "DestroyStacks")
    assert (done.returncode, phase(small)) == (-signal.SIGKILL, Phase.DESTROY), done.stderr
    assert small.conduct(Kind.DESTROY).phase is Phase.DESTROYED


def test_a_disk_that_fills_up_while_it_applies_stops_the_command_and_not_the_deployment(
    small: Small,
) -> None:
    assembly = small.template(queue(small.name))
    done = dies(small, Kind.APPLY, "full", assembly)

    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert phase(small) is Phase.APPLY
    assert small.conduct(Kind.APPLY, assembly).phase is Phase.DONE
    assert any("was left in apply: going on with it" in line for line in small.said)


class Throttled(Cloud):
    """An account whose CloudFormation refuses every second call for a while."""

    def __init__(self, session: boto3.Session) -> None:
        super().__init__(session, poll_s=0.05)
        self.refused = 0
        self._turn = 0

    def client(self, service: str) -> object:
        new = service not in self._clients
        client = super().client(service)
        if new and service == "cloudformation":
            client.meta.events.register("before-send.cloudformation", self._refuse)
        return client

    def _refuse(self, request: object, **_: object) -> AWSResponse | None:
        self._turn += 1
        if self._turn % 2 or self.refused >= 6:
            return None
        self.refused += 1
        body = (
            b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>"
            b"<Message>Rate exceeded</Message></Error></ErrorResponse>"
        )

        class Raw:
            def stream(self, **_: object) -> Iterator[bytes]:
                yield body

        url = getattr(request, "url", "")
        return AWSResponse(url, 400, {"content-type": "text/xml"}, Raw())


def test_an_api_that_throttles_costs_time_and_nothing_else(small: Small) -> None:
    made: list[Throttled] = []

    def throttled(session: boto3.Session) -> Cloud:
        made.append(Throttled(session))
        return made[-1]

    small.make_cloud = throttled
    run = small.conduct(Kind.APPLY, small.template(queue(small.name)))

    assert run.phase is Phase.DONE
    assert made[0].refused == 6


def test_a_plan_is_applied_only_by_its_own_digest(small: Small) -> None:
    from dataclasses import replace

    small.place = replace(small.place, approval=Approval.PLAN)
    assembly = small.template(queue(small.name))
    planned = small.conduct(Kind.PLAN, assembly)
    assert planned.phase is Phase.APPROVAL
    assert small.status() in ("", "REVIEW_IN_PROGRESS"), "a plan changes nothing"

    other = small.conduct(Kind.APPLY, assembly, approve="0" * 12)
    assert other.phase is Phase.REFUSED
    assert other.plan == planned.plan, "the same assembly against the same account"

    applied = small.conduct(Kind.APPLY, assembly, approve=planned.plan[:12])
    assert applied.phase is Phase.DONE
    by_hand = small.conduct(
        Kind.APPLY,
        small.template(queue(small.name, VisibilityTimeout=61)),
        answer=lambda digest: Approved(digest, "anna"),
    )
    assert (by_hand.phase, by_hand.approved_by) == (Phase.DONE, "anna")
    small.build = "build-2"
    back = small.conduct(Kind.ROLLBACK)
    assert back.phase is Phase.ROLLED_BACK
    assert small.visibility() == "30", "what was before"
    assert small.shelf.good() == applied.number
    assert back.build == applied.build, "not that of the sources that lie here now"
    assert small.conduct(Kind.DESTROY).phase is Phase.DESTROYED
    assert small.status() == ""


# --- the account's lock ----------------------------------------------------------------------------


def lock_of(emulator: Running, who: str, **pace: float) -> AccountLock:
    s3 = emulator.client("s3")
    bucket = "lock-test"
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket)
    return AccountLock(s3, bucket, "lock.json", Holder(who, 1, 7, 0), **pace)


def test_two_machines_cannot_deploy_one_environment_at_a_time(emulator: Running) -> None:
    with (
        lock_of(emulator, "anna@desk").held(),
        pytest.raises(Held, match="anna@desk"),
        lock_of(emulator, "ben@desk").held(),
    ):
        pass
    with lock_of(emulator, "ben@desk").held():
        pass


def test_a_deserted_lock_is_taken_over_and_its_old_holder_notices(emulator: Running) -> None:
    # Renewed only after it was taken over, as by a machine that slept.
    with (
        lock_of(emulator, "anna@desk", renew_s=5.0).held() as deserted,
        lock_of(emulator, "ben@desk", stale_s=0.0).held() as taken,
    ):
        assert deserted.lost.wait(30)
        assert not taken.lost.is_set()


def test_the_emulator_can_be_found_again(emulator: Running) -> None:
    assert find_local_aws(emulator.folder) is not None
