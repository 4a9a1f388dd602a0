"""A drill of each kind through the command line: what it says, what it proves, what it hides."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.measure import RunRecord
from engine import genesis as genesis_file
from engine.cli.verify import Failed, verify
from engine.codec import Malformed
from engine.consensus.certificate import Seal
from engine.genesis import Genesis
from engine.ledger.export import Export, write_export
from engine.ledger.reading import read_any
from engine.signing import Ed25519Signer
from engine.vocabulary import Entry
from tests.fleet.commands import ROOT, command, environment, naming, read
from tests.fleet.shop import descendants

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(240)]

EXPERIMENTS = ("kill-payments", "bad-deploy", "quiet")
SECRETS = (b"kill-payments", b"bad-deploy")
SAID_BY_DIAGNOSES = b"bad-deploy"
"""Also a kind of fault: what a diagnosis may come to, and so what agents keep and log."""
KNOWN_BY_DIAGNOSIS = ("agents", "actuator", "engine")
LOOK_EVERY_S = 1.0
NUMBER = (int, float)
FIELDS: Mapping[str, tuple[type, ...]] = {
    "experiment": (str,),
    "policy": (str,),
    "against_swarm": (str, type(None)),
    "seed": (int,),
    "target": (str, type(None)),
    "took_effect": (bool,),
    "impact_s": (*NUMBER, type(None)),
    "detect_s": (*NUMBER, type(None)),
    "diagnose_s": (*NUMBER, type(None)),
    "decide_s": (*NUMBER, type(None)),
    "act_s": (*NUMBER, type(None)),
    "recover_s": (*NUMBER, type(None)),
    "recovered": (bool,),
    "fault_present_at_recovery": (bool, type(None)),
    "diagnosis_right": (bool, type(None)),
    "actions": (list,),
    "undone": (bool,),
    "certificate_verified": (bool, type(None)),
    "orders_acknowledged": (int,),
    "orders_lost": (int,),
    "needless_actions": (int,),
    "handed_over": (bool,),
    "ledger": (str, type(None)),
}


class Spy(threading.Thread):
    """Reads what any process may read, while a drill goes on."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid = pid
        self.found: set[str] = set()
        self.looked_at: set[str] = set()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(LOOK_EVERY_S):
            folders = self._look_at_processes()
            for folder in folders:
                self._look_at_files(folder)

    def _look_at_processes(self) -> set[Path]:
        folders: set[Path] = set()
        for pid in {self.pid} | descendants(self.pid):
            process = Path(f"/proc/{pid}")
            words = read(process / "cmdline")
            files = b"\n".join(_names(process / "fd"))
            self._note(f"arguments of {words[-60:]!r}", words)
            self._note(f"environment of {words[-60:]!r}", read(process / "environ"))
            self._note(f"open files of {words[-60:]!r}", files)
            for word in words.split(b"\0"):
                path = Path(word.decode(errors="replace"))
                if path.name.startswith("incident-commander-") and path.is_dir():
                    folders.add(path)
        return folders

    def _look_at_files(self, folder: Path) -> None:
        # os.walk steps over a folder that goes while it looks; Path.rglob raises.
        for parent, folders, files in os.walk(folder):
            # PostgreSQL's pages hold orders; what the fleet logs and keeps otherwise is looked at.
            folders[:] = [name for name in folders if name not in {"base", "pg_wal"}]
            self._look_at_names(folder, [Path(parent, name) for name in (*folders, *files)])

    def _look_at_names(self, folder: Path, paths: list[Path]) -> None:
        for path in paths:
            self._note(f"name {path.name}", str(path).encode())
            try:
                if path.is_file() and path.stat().st_size < 4 << 20:
                    inside = path.relative_to(folder)
                    content = read(path)
                    if inside.parts[0] in KNOWN_BY_DIAGNOSIS:
                        content = content.replace(SAID_BY_DIAGNOSES, b"")
                    self._note(f"file {inside}", content)
            except OSError:
                continue

    def _note(self, where: str, content: bytes) -> None:
        self.looked_at.add(where.split(" ")[0])
        if any(secret in content for secret in SECRETS):
            self.found.add(where)


def _names(folder: Path) -> Iterator[bytes]:
    try:
        for link in folder.iterdir():
            yield str(link.readlink()).encode()
    except OSError:
        return


class Drills:
    """The three drills that all tests here are about."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        report = folder / "figures.json"
        words = ("drill", *EXPERIMENTS, "--seed", "2", "--json", str(report))
        began_s = time.monotonic()
        process = subprocess.Popen(
            command(*words), cwd=ROOT, env=environment(self.state), stdout=subprocess.PIPE
        )
        self._until_concealed(process.pid)
        self.spy = Spy(process.pid)
        self.spy.start()
        try:
            self.said = process.communicate(timeout=220)[0].decode()
        finally:
            self.spy.over.set()
            self.spy.join()
        self.code = process.returncode
        self.took_s = time.monotonic() - began_s
        self.report: dict[str, Any] = json.loads(report.read_bytes())
        self.runs: list[dict[str, Any]] = self.report["runs"]

    @staticmethod
    def _until_concealed(pid: int) -> None:
        end = time.monotonic() + 10
        while b"--concealed" not in read(Path(f"/proc/{pid}/cmdline")):
            assert time.monotonic() < end, "the command never concealed what it was asked"
            time.sleep(0.005)

    def ledger(self, experiment: str) -> Path:
        (run,) = (run for run in self.runs if run["experiment"] == experiment)
        return Path(run["ledger"])


@pytest.fixture(scope="module")
def drills(tmp_path_factory: pytest.TempPathFactory) -> Drills:
    return Drills(tmp_path_factory.mktemp("drills"))


# --- what it says ---------------------------------------------------------------------------------


def test_every_drill_passes_and_the_command_says_so(drills: Drills) -> None:
    assert drills.code == 0, drills.said
    assert [run["experiment"] for run in drills.runs] == list(EXPERIMENTS)
    assert drills.said.count("✓ passed") == len(EXPERIMENTS)
    assert drills.report["machine"]["cores"] >= 1


def test_every_run_has_every_field_with_its_type(drills: Drills) -> None:
    for run in drills.runs:
        wrong = {
            name: run.get(name, "missing")
            for name, types in FIELDS.items()
            if name not in run or type(run[name]) not in types
        }
        assert wrong == {}
        msgspec.convert(run, RunRecord)


def test_faults_are_found_mended_and_paid_for_by_no_order(drills: Drills) -> None:
    for run in drills.runs[:2]:
        order = [run[f"{name}_s"] for name in ("impact", "detect", "decide", "act")]
        assert order == sorted(order), run
        assert run["recovered"], run
        assert run["recover_s"] > run["impact_s"]
        assert not run["fault_present_at_recovery"]
        assert run["certificate_verified"]
        assert run["undone"]
        assert (run["orders_lost"], run["needless_actions"]) == (0, 0)
        assert run["orders_acknowledged"] > 50
        assert [action["outcome"] for action in run["actions"]] == ["done"]


def test_where_nothing_is_broken_nothing_is_done(drills: Drills) -> None:
    quiet = drills.runs[2]

    assert quiet["target"] is None
    assert quiet["actions"] == []
    assert quiet["needless_actions"] == 0
    assert not quiet["handed_over"]
    assert quiet["impact_s"] is None


# --- what it hides --------------------------------------------------------------------------------


def test_no_process_and_no_file_shows_what_is_rehearsed(drills: Drills) -> None:
    assert drills.spy.looked_at == {"arguments", "environment", "open", "name", "file"}
    assert drills.spy.found == set()


def test_nothing_of_it_is_left(drills: Drills) -> None:
    for experiment in EXPERIMENTS:
        folder = drills.ledger(experiment).parent.name
        assert naming(Path(folder)) == set()


# --- what it proves -------------------------------------------------------------------------------


def checks(path: Path, keys: Path) -> list[str]:
    return list(verify(path, keys))


def main_verify(drills: Drills, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command("verify", *words), cwd=ROOT, env=environment(drills.state), check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_every_ledger_verifies_and_so_does_its_canonical_export(drills: Drills) -> None:
    for experiment in EXPERIMENTS:
        ledger = drills.ledger(experiment)
        export = ledger.with_name("export.jsonl")

        exported = main_verify(drills, "--export", str(export), str(ledger))
        again = main_verify(drills, "--export", str(export) + ".2", str(export))

        assert exported.returncode == again.returncode == 0, exported.stdout + again.stdout
        assert export.read_bytes() == Path(f"{export}.2").read_bytes()
        incidents = 0 if experiment == "quiet" else 1
        assert f"{incidents} incidents, {incidents} certificates" in exported.stdout


def attack(drills: Drills, name: str) -> tuple[Genesis, Sequence[Entry], Seal | None]:
    """A real ledger as an attacker might change it, with every chain digest made to fit again."""
    found = read_any(drills.ledger("kill-payments"))
    other = read_any(drills.ledger("bad-deploy"))
    assert isinstance(found, Export)
    assert isinstance(other, Export)
    genesis, entries, seal = found.genesis, list(found.entries), found.seal
    third = entries[2]
    match name:
        case "a byte changed":
            batch = bytearray(third.batch[0])
            batch[len(batch) // 2] ^= 1
            entries[2] = msgspec.structs.replace(third, batch=(bytes(batch), *third.batch[1:]))
        case "a submission taken out":
            entries[2] = msgspec.structs.replace(third, batch=())
        case "the end cut off":
            del entries[-3:]
        case "the end cut off with its seal":
            del entries[-3:]
            seal = None
        case "the beginning cut off":
            del entries[:2]
        case "the beginning cut off and numbered anew":
            entries = [
                msgspec.structs.replace(entry, sequence_number=number)
                for number, entry in enumerate(entries[2:], 1)
            ]
        case "two batches swapped":
            entries[2] = msgspec.structs.replace(third, batch=entries[3].batch)
            entries[3] = msgspec.structs.replace(entries[3], batch=third.batch)
        case "a key replaced":
            agents = list(genesis.agents)
            forged = Ed25519Signer.generate().public_key
            agents[1] = msgspec.structs.replace(agents[1], public_key=forged)
            genesis = msgspec.structs.replace(genesis, agents=tuple(agents))
        case "another cluster's certificate":
            entries[2] = msgspec.structs.replace(third, commits=other.entries[2].commits)
        case "another cluster's entry":
            entries[2] = other.entries[2]
        case "another cluster's seal":
            seal = other.seal
        case _:
            raise AssertionError(name)
    return genesis, entries, seal


@pytest.mark.parametrize(
    "name",
    [
        "a byte changed",
        "a submission taken out",
        "the end cut off",
        "the end cut off with its seal",
        "the beginning cut off",
        "the beginning cut off and numbered anew",
        "two batches swapped",
        "a key replaced",
        "another cluster's certificate",
        "another cluster's entry",
        "another cluster's seal",
    ],
)
def test_a_real_ledger_is_refused_after_any_attack(
    drills: Drills, tmp_path: Path, name: str
) -> None:
    original = drills.ledger("kill-payments").parent
    for file in ("genesis.json", "policy.toml", "fleet.toml"):
        shutil.copyfile(original / file, tmp_path / file)
    forged = tmp_path / "forged.jsonl"
    write_export(forged, *attack(drills, name))

    with pytest.raises((Failed, Malformed)):
        checks(forged, tmp_path / "genesis.json")


def test_a_replaced_key_does_not_help_who_brings_his_own_keys_either(
    drills: Drills, tmp_path: Path
) -> None:
    original = drills.ledger("kill-payments").parent
    for file in ("policy.toml", "fleet.toml"):
        shutil.copyfile(original / file, tmp_path / file)
    genesis, entries, seal = attack(drills, "a key replaced")
    genesis_file.write(genesis, tmp_path / "genesis.json")
    write_export(tmp_path / "forged.jsonl", genesis, entries, seal)

    with pytest.raises((Failed, Malformed)):
        checks(tmp_path / "forged.jsonl", tmp_path / "genesis.json")
    refused = main_verify(drills, str(tmp_path / "forged.jsonl"))
    assert refused.returncode == 1
    assert refused.stdout.startswith("FALSE")
    assert len(refused.stderr.strip().splitlines()) == 1
