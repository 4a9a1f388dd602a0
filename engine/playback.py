"""A run from its ledger: folded again, entry by entry, with the trace and the sightings beside it.

What is shown of incidents, votes, certificates and actions follows from the ledger; messages come
from the trace; the fleet's traffic and health come from the sightings. The last two are
unverified, and a replay without them shows less, and says so.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from engine.codec import Malformed, decode
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs
from engine.council import Council
from engine.founding import check_pins
from engine.genesis import Genesis
from engine.ledger.replay import Replay
from engine.paths import SIGHTINGS, TRACE
from engine.policy import Rules, read_rules
from engine.projection import Projection
from engine.projection.remembered import Remembered
from engine.proof import convicts
from engine.sightings import read_sightings
from engine.signing import Ed25519Verifier
from engine.stream.recording import Frame, Progress, Recording
from engine.stream.state import ScreenState
from engine.telemetry.window import Window
from engine.topology import Manifest, read_manifest
from engine.trace import read_trace
from engine.vocabulary import Entry, TraceEvent

MAX_FRAMES = 100_000
"""A ledger with more entries is shown from its newest ones; the fold begins at the first all the same."""
_PAGE = 512

Stamped = tuple[Entry, int, int]
"""An entry with its receipt: monotonic nanoseconds and Unix milliseconds."""


def read_recording(ledger: Path, progress: Progress = lambda _: None) -> Recording:
    """Everything that can be replayed of the run whose ledger is the file ``ledger``.

    Raises:
        Malformed: the ledger, its policy or its manifest cannot be used; names file and remedy.
    """
    progress(f"reading {ledger}")
    genesis, entries = _read_ledger(ledger)
    rules, manifest, doubts = _constitution(ledger, genesis)
    missing: list[str] = list(doubts)
    messages = _beside(ledger, TRACE, "no message is drawn", missing)
    events = tuple(read_trace(messages)) if messages is not None else ()
    seen_at = _beside(ledger, SIGHTINGS, "traffic and health are unknown", missing)
    seen = list(read_sightings(seen_at)) if seen_at is not None else []
    frames: list[Frame] = []
    for frame in _frames(genesis, rules, manifest, entries, seen, events):
        frames.append(frame)
        if len(frames) % _PAGE == 0:
            progress(f"folded {len(frames)} moments")
    missing = [f"replay: {doubt}" for doubt in missing]
    frames = [
        Frame(it.at_ns, replace(it.state, notices=(*it.state.notices, *missing)[:8]))
        for it in frames[-MAX_FRAMES:]
    ]
    return Recording(str(ledger), tuple(frames), events, tuple(missing))


def _frames(
    genesis: Genesis,
    rules: Rules,
    manifest: Manifest,
    entries: Sequence[Stamped],
    seen: Sequence[tuple[int, ScreenState]],
    events: Sequence[TraceEvent],
) -> Iterator[Frame]:
    """The state after each entry and each sighting, in order of time."""
    verifier = Ed25519Verifier()
    council = Council(genesis, rules, manifest, verifier, convicts(verifier))
    replay = Replay(council)
    projection = Projection(council, Window(manifest))
    remembered = Remembered(genesis)
    moments: list[tuple[int, Stamped | ScreenState | TraceEvent]] = [
        *((stamped[1], stamped) for stamped in entries),
        *((at_ns, state) for at_ns, state in seen),
    ]
    if not seen:
        # What the agents say of themselves is in the sightings; without them, in their messages.
        moments += [(event.received_ns, event) for event in events if event.kind == "status"]
    moments.sort(key=lambda moment: moment[0])
    now_ms = entries[0][2] if entries else seen[0][1].at_ms if seen else 0
    for at_ns, what in moments:
        match what:
            case TraceEvent():
                projection.heard(remembered.vitals(what), now_ms)
                continue
            case ScreenState():
                now_ms = max(now_ms, what.at_ms)
                remembered.see(what)
            case (entry, _, received_ms):
                now_ms = max(now_ms, received_ms)
                projection.ordered(entry, replay.apply(entry), received_ms)
                if not seen:
                    for vitals in remembered.voters(entry):
                        projection.heard(vitals, now_ms)
        yield Frame(at_ns, remembered.beside(projection.state(now_ms), now_ms))


# --- files ------------------------------------------------------------------------------------------


def _read_ledger(path: Path) -> tuple[Genesis, list[Stamped]]:
    """The genesis and the stamped entries of a ledger; its chain is checked."""
    if not path.is_file():
        raise Malformed(
            f"{path}: there is no ledger here; name the ledger.sqlite of a run or a drill"
        )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT value FROM meta WHERE name='genesis'").fetchone()
            rows = database.execute(
                "SELECT entry, chain, received_ns, received_ms FROM entries ORDER BY sequence_number"
            ).fetchall()
        genesis = decode(row[0] if row is not None else b"", Genesis)
        epochs = Epochs(Committee(genesis, Ed25519Verifier()))
        entries: list[Stamped] = []
        at_ns = 0
        for number, (blob, kept, received_ns, received_ms) in enumerate(rows, 1):
            entry = decode(blob, Entry)
            epochs.take(entry)
            if epochs.head != (number, kept):
                raise Malformed(f"entry {number} does not fit the chain")
            # In the log's order, whatever a machine that was started anew says of the time.
            at_ns = max(at_ns, received_ns)
            entries.append((entry, at_ns, received_ms))
    except (sqlite3.DatabaseError, Malformed, TypeError, OverflowError) as error:
        raise Malformed(f"{path}: this is no whole ledger: {error}; take another copy") from None
    if not entries:
        raise Malformed(f"{path}: this ledger is empty; take one of a run that did something")
    return genesis, entries


def _constitution(ledger: Path, genesis: Genesis) -> tuple[Rules, Manifest, list[str]]:
    """The policy and manifest beside a ledger, or above it, and what is doubtful about them."""
    folder = ledger.absolute().parent
    for place in (folder, folder.parent):
        policy, fleet = place / "policy.toml", place / "fleet.toml"
        if policy.is_file() and fleet.is_file():
            try:
                return *check_pins(genesis, policy, fleet), []
            except Malformed:
                doubt = "policy, catalogue or fleet are not those that the genesis pins"
                return read_rules(policy), read_manifest(fleet), [doubt]
    raise Malformed(
        f"{ledger}: no policy.toml and fleet.toml beside it; copy them there from its run"
    )


def _beside(ledger: Path, name: str, without: str, missing: list[str]) -> Path | None:
    path = ledger.absolute().parent / name
    if path.is_file():
        return path
    missing.append(f"{name} does not lie beside the ledger: {without}")
    return None
