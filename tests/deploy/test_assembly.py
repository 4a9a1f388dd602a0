"""An assembly: its digest, its stacks in order, and what is refused as none; and the source's id."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import Malformed
from infra.deploy.assembly import build_of, digest_of_folder, stacks_of, template_of
from infra.deploy.health.pace import compared
from infra.deploy.health.suite import Unwell
from infra.deploy.run import Verdict
from infra.deploy.source import source_of
from tests.deploy.small import queue, small_assembly


def artifact(*after: str, **properties: object) -> dict[str, Any]:
    return {
        "type": "aws:cloudformation:stack",
        "properties": {"templateFile": "t.json", **properties},
        "dependencies": list(after),
    }


def write(folder: Path, artifacts: object) -> Path:
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return folder


def test_stacks_come_after_what_they_stand_on(tmp_path: Path) -> None:
    artifacts = {
        "C": artifact("B", "A.assets"),
        "A.assets": {"type": "cdk:asset-manifest"},
        "B": artifact("A", stackName="Named"),
        "A": artifact(terminationProtection=True),
    }

    stacks = stacks_of(write(tmp_path, artifacts))

    assert [stack.name for stack in stacks] == ["A", "Named", "C"]
    assert stacks[2].after == ("Named",)
    assert stacks[0].protected


@pytest.mark.parametrize(
    "artifacts",
    [
        {},
        {"A": artifact("B"), "B": artifact("A")},
        {"A": {"type": "aws:cloudformation:stack"}},
        {"A": 3},
    ],
)
def test_what_is_no_assembly_is_refused_by_name(tmp_path: Path, artifacts: object) -> None:
    with pytest.raises(Malformed):
        stacks_of(write(tmp_path, artifacts))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(json_values)
def test_whatever_a_manifest_holds_it_is_read_or_refused(artifacts: object) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name, pytest.raises(Malformed):
        stacks_of(write(Path(name), artifacts))


def test_the_digest_is_over_all_files_but_what_the_cdk_leaves_behind(tmp_path: Path) -> None:
    one = small_assembly(tmp_path / "one", "S", queue("q"))
    two = small_assembly(tmp_path / "two", "S", queue("q"))
    assert digest_of_folder(one) == digest_of_folder(two)

    (two / "validation-report.json").write_text("{}")
    assert digest_of_folder(one) == digest_of_folder(two)
    (two / "more").write_text("")
    assert digest_of_folder(one) != digest_of_folder(two)
    assert template_of(stacks_of(one)[0]) == queue("q")


def test_an_assembly_says_which_build_will_answer(tmp_path: Path) -> None:
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Environment": {"Variables": {"BUILD": "4f3efd4"}}},
    }

    named = small_assembly(tmp_path / "named", "S", {"Resources": {"F": function}})
    assert build_of(named) == "4f3efd4"
    assert build_of(small_assembly(tmp_path / "silent", "S", queue("q"))) == ""


# --- what is deployed ------------------------------------------------------------------------------


def test_a_build_names_the_commit_and_whatever_differs_from_it(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True)

    assert source_of(tmp_path).build.startswith("files-")
    git("init", "-q")
    (tmp_path / "a.py").write_text("1")
    git("add", "-A")
    git("commit", "-qm", "one")
    clean = source_of(tmp_path)
    assert clean.changed == ()

    builds = {clean.build}
    for content in ("2", "3"):
        (tmp_path / "a.py").write_text(content)
        changed = source_of(tmp_path)
        assert changed.changed == ("a.py",)
        builds.add(changed.build)
    (tmp_path / "new.py").write_text("")
    builds.add(source_of(tmp_path).build)
    assert len(builds) == 4


# --- pace ------------------------------------------------------------------------------------------


def test_slower_is_degraded_and_much_slower_is_not_well() -> None:
    assert compared({"http": 150.0}, {}).verdict is Verdict.OK
    assert compared({"http": 190.0}, {"http": 95.0}).verdict is Verdict.OK, "less than 100 ms"
    assert compared({"http": 500.0}, {"http": 100.0}).verdict is Verdict.DEGRADED
    with pytest.raises(Unwell, match="much slower"):
        compared({"http": 1700.0}, {"http": 100.0})
    with pytest.raises(Unwell, match="nothing may take so long"):
        compared({"http": 5001.0}, {})
