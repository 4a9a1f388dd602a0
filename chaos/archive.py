"""Keeps what proves a run after its world is gone: ledger, keys, charters, proofs, and what replays show."""

import asyncio
import shutil
import sqlite3
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path

import platformdirs

from chaos.watch import LedgerWatch
from engine.cli.verify import Failed, verify
from engine.codec import Malformed
from engine.ledger.reading import write_proof
from engine.paths import RunPaths
from engine.proof import evidence_of
from engine.vocabulary import AgentId

SEAL_S = 15.0
POLL_S = 0.1
MOST_KEPT = 200
"""Runs: about 100 MB. A kill matrix has 136."""


def results_folder() -> Path:
    """Where the ledgers of drills are kept."""
    return platformdirs.user_state_path("incident-commander") / "drills"


class Archive:
    """The folder that one run is kept in."""

    def __init__(self, paths: RunPaths, watch: LedgerWatch) -> None:
        """Keep the run at ``paths``, whose ledger ``watch`` follows."""
        self._paths = paths
        self._watch = watch
        self._folder = results_folder() / paths.root.name
        self._keys = self._folder / paths.genesis.name
        self.ledger = self._folder / "ledger.sqlite"

    def keep_files(self) -> None:
        """Keep what the ledger is checked with; the oldest runs above ``MOST_KEPT`` go."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in oldest_above(self._folder.parent, MOST_KEPT):
            shutil.rmtree(old, ignore_errors=True)
        for path in (self._paths.genesis, self._paths.policy, self._paths.manifest):
            shutil.copyfile(path, self._folder / path.name)

    def keep_evidence(self, convicted: Collection[AgentId]) -> bool:
        """Write each proof in the log into a file of its own.

        Returns:
            Whether there is one against each of ``convicted``, and all of them verify.
        """
        held = []
        for culprit, proof in self._watch.proofs.items():
            path = self._folder / f"evidence-{culprit}.json"
            write_proof(evidence_of(proof), path)
            held.append(_holds(path, self._keys))
        return all(held) and len(held) == len(convicted)

    async def keep_ledger(self) -> bool:
        """Copy the engine's ledger away once a quorum attests its head; whether the copy verifies."""
        with suppress(FileNotFoundError):
            # What proves single certificates of later epochs; the ledger proves itself.
            shutil.copyfile(self._paths.charters, self._folder / self._paths.charters.name)
        deadline = asyncio.get_running_loop().time() + SEAL_S
        verified = False
        while not verified and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(POLL_S)
            self._watch.poll()
            with suppress(sqlite3.Error):
                copy_database(self._paths.engine_ledger, self.ledger)
                verified = _holds(self.ledger, self._keys)
        for beside in (self._paths.trace, self._paths.sightings, self._paths.tape):
            # For replays only: what proves something is the ledger.
            with suppress(sqlite3.Error):
                copy_database(beside, self._folder / beside.name)
        return verified


def oldest_above(folder: Path, most: int) -> list[Path]:
    """The folders in ``folder`` that are too many if it is to hold ``most``, the oldest first."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)[: max(0, len(found) - most)]]


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite file that is still written to, as it stands at one moment, into one file.

    Raises:
        sqlite3.Error: there is none at ``source``, or it cannot be read.
    """
    target.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
        # A copy is one file: without this it would ask for a second one whenever it is read.
        copy.execute("PRAGMA journal_mode=DELETE")


def _holds(path: Path, keys: Path) -> bool:
    """Whether the offline verifier finds nothing wrong with a ledger or an evidence."""
    try:
        list(verify(path, keys))
    except (Failed, Malformed):
        return False
    return True
