"""The deploy workflow keeps its promises: no secret, one assembly, pinned actions, and a way back."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.environments import NAMES

PATH = Path(__file__).resolve().parents[2] / ".github" / "workflows" / "deploy.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    # YAML 1.1 takes the key `on` for true; everything else reads as it stands.
    found: dict[Any, Any] = yaml.safe_load(PATH.read_text())
    return found


def steps(workflow: dict[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


def commands(workflow: dict[Any, Any], job: str) -> str:
    return "\n".join(step.get("run", "") for name, step in steps(workflow) if name == job)


def test_every_action_is_pinned_by_the_hash_of_a_commit_with_its_tag_beside_it() -> None:
    used = re.findall(r"uses: (\S+)(.*)", PATH.read_text())

    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


def test_one_action_has_one_hash() -> None:
    used = set(re.findall(r"uses: (\S+)@(\S+)", PATH.read_text()))

    assert len({action for action, _ in used}) == len(used)


def test_no_secret_is_used(workflow: dict[Any, Any]) -> None:
    text = PATH.read_text()

    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    assert "AWS_ACCESS_KEY_ID" not in text
    assert "pull_request_target" not in text


def test_a_job_may_do_what_it_needs_and_no_more(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    allowed = {name: job.get("permissions") for name, job in workflow["jobs"].items()}

    assert allowed == {
        "test": None,
        "synth": None,
        "plan": {"contents": "read", "id-token": "write", "pull-requests": "write"},
        "deploy": {"contents": "read", "id-token": "write"},
    }


def test_whoever_takes_a_role_stands_in_the_environment_that_guards_it(
    workflow: dict[Any, Any],
) -> None:
    for name, step in steps(workflow):
        if "configure-aws-credentials" in step.get("uses", ""):
            assert "inputs.environment" in workflow["jobs"][name]["environment"]
            assert step["with"]["role-to-assume"] == "${{ vars.DEPLOY_ROLE_ARN }}"


def test_the_jobs_follow_each_other(workflow: dict[Any, Any]) -> None:
    jobs = workflow["jobs"]

    assert jobs["synth"]["needs"] == "test"
    assert jobs["plan"]["needs"] == "synth"
    assert jobs["deploy"]["needs"] == ["synth", "plan"]
    assert jobs["deploy"]["if"] == "github.event_name == 'workflow_dispatch'"
    assert "make check" in commands(workflow, "test")
    assert "make test" in commands(workflow, "test")


def test_what_is_planned_and_applied_is_what_was_synthesised(workflow: dict[Any, Any]) -> None:
    assert "sha256sum" in commands(workflow, "synth")
    for job in ("plan", "deploy"):
        said = commands(workflow, job)
        assert "sha256sum --check --strict" in said
        assert "--assembly assembly" in said
        assert "infra.app" not in said


def test_only_the_plan_that_was_shown_is_applied(workflow: dict[Any, Any]) -> None:
    plan, deploy = commands(workflow, "plan"), commands(workflow, "deploy")

    assert 'main.py deploy plan "$TARGET"' in plan
    assert "gh pr comment" in plan
    assert '--approve "$DIGEST"' in deploy
    assert workflow["jobs"]["plan"]["outputs"]["digest"] == "${{ steps.plan.outputs.digest }}"


def test_a_failure_goes_back_and_what_happened_is_kept(workflow: dict[Any, Any]) -> None:
    names = [
        step.get("id") or step.get("name") for name, step in steps(workflow) if name == "deploy"
    ]
    [back] = [step for _, step in steps(workflow) if "deploy rollback" in step.get("run", "")]

    assert names.index("apply") < names.index("health") < names.index(back["name"])
    assert back["if"].startswith("failure()")
    assert "steps.health.outcome == 'failure'" in back["if"]
    assert workflow["jobs"]["deploy"]["steps"][-1]["if"] == "always()"


def test_two_deployments_of_one_environment_wait_for_each_other(workflow: dict[Any, Any]) -> None:
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert "inputs.environment" in workflow["concurrency"]["group"]


def test_what_can_be_chosen_are_the_environments_in_the_cloud(workflow: dict[Any, Any]) -> None:
    choices = workflow[True]["workflow_dispatch"]["inputs"]["environment"]["options"]

    assert choices == [name for name in NAMES if name != "local"]


def test_nothing_from_outside_is_put_into_a_shell(workflow: dict[Any, Any]) -> None:
    for _, step in steps(workflow):
        assert "${{" not in step.get("run", "")
