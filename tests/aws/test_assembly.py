"""The assemblies as a whole: synthesised without a finding, and deployable one upon the other."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.findings import read_findings

pytestmark = pytest.mark.timeout(300)


def templates(assembly: Path) -> dict[str, dict[str, Any]]:
    """Every stack's template by the stack's name."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_bytes())
        for path in sorted(assembly.glob("*.template.json"))
    }


@pytest.fixture(params=["local", "prod"])
def assembly(request: pytest.FixtureRequest) -> Path:
    path = request.getfixturevalue(f"{request.param}_assembly")
    assert isinstance(path, Path)
    return path


def test_no_rule_has_an_open_objection(assembly: Path) -> None:
    assert read_findings(assembly) == []


def test_nothing_of_it_has_to_be_looked_up_in_an_account(assembly: Path) -> None:
    manifest = json.loads((assembly / "manifest.json").read_bytes())

    assert not manifest.get("missing"), "the command line would write its answers into the tree"


def test_every_acceptance_of_a_finding_has_its_reason(assembly: Path) -> None:
    reasons = [
        rule["reason"]
        for template in templates(assembly).values()
        for resource in template["Resources"].values()
        for rule in resource.get("Metadata", {}).get("cdk_nag", {}).get("rules_to_suppress", [])
    ]

    assert reasons
    assert all(len(reason) > 20 for reason in reasons)
