"""Keeps what a drill saw as a recording, and the truth about it in a folder of its own."""

from pathlib import Path

import msgspec

from chaos.experiments import ExperimentPlan
from chaos.faults.fault import DeployRelease, LeakFiles
from engine.paths import RunPaths
from engine.telemetry.recorder import cut
from engine.telemetry.tape import reach
from engine.topology import read_manifest

TRUTH = "truth"


def keep_recording(
    plan: ExperimentPlan, injected_s: float | None, paths: RunPaths, folder: str
) -> Path:
    """Write the recording of a run under ``folder``, and what was done to the fleet beside it.

    ``injected_s`` is when the fault took effect (Unix seconds), None where there was none. The
    truth goes to ``folder/truth``, never into the recording: nothing that detects or diagnoses may
    see it. Returns the recording's folder.

    Raises:
        Malformed: there is such a recording already, or the tape cannot be read.
    """
    identity = f"{plan.name}-{plan.seed}"
    recording, beside = Path(folder) / identity, Path(folder) / TRUTH / f"{identity}.json"
    manifest = read_manifest(paths.manifest)
    cut(paths.tape, manifest, *reach(paths.tape), recording, identity=identity)
    expected = plan.expectation
    culprit = plan.fault
    truth = {
        "fault": expected is not None,
        "start": injected_s,
        "service": expected.service if expected else None,
        "kind": expected.kind if expected else None,
        "culprit_ref": f"{culprit.service}@{culprit.release}"
        if isinstance(culprit, DeployRelease | LeakFiles)
        else None,
    }
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(truth)) + b"\n")
    return recording
