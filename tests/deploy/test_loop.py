"""The whole loop as a person runs it: deploy, check, a bad update, the way back, destroy.

The seconds are the bench's business (``main.py bench deploy``); what must come of it is ours.
"""

import contextlib
import tempfile
from pathlib import Path

import pytest

from infra.bench.loop import run_loop
from infra.deploy.journal import Shelf
from infra.deploy.run import Finding, Phase, Verdict
from infra.localaws import find_local_aws

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(900)]

EIGHT = [
    "dynamodb",
    "kinesis",
    "opensearch",
    "lambda",
    "http",
    "websocket",
    "agents",
    "performance",
]
PROVES_NOTHING = {"opensearch"}
"""The emulator has no search behind its collection."""


def verdicts(findings: tuple[Finding, ...]) -> dict[str, Verdict]:
    return {finding.name: finding.verdict for finding in findings}


def processes_in(folder: Path) -> list[str]:
    """The command lines that name a file of ``folder``."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in found if f"{folder}/" in command]


def test_a_bad_update_is_rolled_back_and_what_was_good_is_well_again() -> None:
    with tempfile.TemporaryDirectory(prefix="deploy-") as name:
        root = Path(name)
        loop = run_loop(root, print)

        for report in (loop.deployed, loop.returned):
            found = verdicts(report.findings)
            assert list(found) == EIGHT
            for check, verdict in found.items():
                expected = {Verdict.CONTROL_PLANE_ONLY} if check in PROVES_NOTHING else {Verdict.OK}
                # A machine that is busy may need a second try; that is said, and does no harm.
                assert verdict in expected | {Verdict.DEGRADED}, (check, report)
            assert report.drifted == ()
        assert loop.returned.build == loop.deployed.build
        assert loop.bad.phase is Phase.ROLLED_BACK
        assert "http: it answers 503" in loop.bad.reason
        shelf = Shelf(root, "local")
        assert find_local_aws(shelf.emulator) is None, "destroy ends the emulator"
        assert processes_in(root) == [], "and all that it ran"
        assert next(shelf.runs())[1].phase is Phase.DESTROYED
        assert shelf.good() == 0
