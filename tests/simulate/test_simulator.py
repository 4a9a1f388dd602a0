"""The simulator itself: one seed decides everything, failures shrink, too little is noticed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import main
from engine.consensus.effects import Voted
from engine.consensus.simulate.adversary import WAYS
from engine.consensus.simulate.coverage import FLOOR, KINDS, Coverage
from engine.consensus.simulate.independent import Notary, smallest_quorum
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.play import play
from engine.consensus.simulate.shrink import shrink
from engine.consensus.simulate.storage import reread, torn
from engine.consensus.simulate.storm import Storm
from engine.quorum import quorum_of
from engine.trace import Trace
from tests.unit.consensus.speaking import Speaker

ROOT = Path(__file__).resolve().parents[2]
SEED, N = 9, 5


# --- one seed decides everything -----------------------------------------------------------------


def test_the_same_seed_gives_the_same_trace() -> None:
    first, second = (play(SEED, N) for _ in range(2))

    assert first == second
    assert first.digest != play(SEED + 4, N).digest


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_the_same_seed_gives_the_same_trace_under_any_hash_seed(hash_seed: str) -> None:
    code = (
        "from engine.consensus.simulate.play import play\n"
        f"print(*(play(seed, 5).digest for seed in ({SEED}, 21)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=True, timeout=50,
    )  # fmt: skip

    assert said.stdout.split() == [play(seed, N).digest for seed in (SEED, 21)]


def test_an_item_is_left_out_without_changing_the_others() -> None:
    whole = Storm(5, 1, SEED).scenario
    part = Storm(5, 1, SEED, only=frozenset({0, 2})).scenario

    assert part.items == (whole.items[0], whole.items[2])


def test_every_way_of_lying_is_drawn() -> None:
    drawn = {item.way for seed in range(200) for item in Storm(7, 2, seed).scenario.items}

    assert set(WAYS) <= drawn


def test_agents_open_certify_and_mend_an_incident_in_the_storm() -> None:
    storm = Storm(5, 1, SEED)

    law = storm.run().checker.law

    assert len(law.certificates) == 1
    assert storm.fleet.broken_since_ms is None
    assert law.council.closed == 1 or law.council.open_incidents


# --- the disk ------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_torn_write_is_forgotten_and_nothing_before_it(share: float) -> None:
    records = [Voted(b"first"), Voted(b"second")]

    assert reread(records, torn([Voted(b"third")], share)) == records


# --- the independent check -----------------------------------------------------------------------


@pytest.mark.parametrize("n", range(4, 32))
def test_the_quorum_found_by_trying_is_the_quorum(n: int) -> None:
    f = (n - 1) // 3

    assert smallest_quorum(n, f) == quorum_of(n, f)


def test_the_independent_check_takes_what_a_quorum_committed_and_nothing_less() -> None:
    speaker = Speaker(5, 1)
    members = Members(5, 1)
    notary = Notary(members.genesis, members.verifier)
    submission = members.submission(1)

    assert not notary.objection_to_entry(speaker.entry(1, submission))
    assert "3 signed" in notary.objection_to_entry(speaker.entry(1, submission, voters=3))


# --- shrinking and coverage ----------------------------------------------------------------------


@pytest.mark.parametrize("culprits", [{0}, {7}, {3, 11}, {0, 5, 12}, set()])
def test_shrinking_leaves_exactly_what_it_takes(culprits: set[int]) -> None:
    assert shrink(13, lambda kept: culprits <= kept) == culprits


def test_shrinking_ends_after_so_many_runs() -> None:
    runs = 0

    def fails(_: frozenset[int]) -> bool:
        nonlocal runs
        runs += 1
        return runs % 2 == 0

    shrink(60, fails, most_runs=5)

    assert runs == 5


def test_what_was_visited_too_seldom_is_named() -> None:
    coverage = Coverage()
    for seed in range(100):
        marks = set(KINDS) if seed < 100 * FLOOR else set()
        coverage.add(marks - ({"conviction"} if seed == 0 else set()))

    assert coverage.below() == ("conviction",)
    assert any("UNDER ITS FLOOR" in line for line in coverage.lines())


# --- the command ---------------------------------------------------------------------------------


def test_the_command_prints_seeds_violations_and_coverage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["simulate", "--seeds", "0..12"]) in (0, 1)

    printed = capsys.readouterr().out
    assert "12 seeds, 0 violations" in printed
    assert "view change" in printed


def test_a_trace_is_kept_for_screens_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "seed.trace"
    command = ["simulate", "--seeds", f"{SEED}..{SEED + 1}", "--agents", "5", "--trace", str(file)]

    assert main.main(command) == 0
    assert "no violation" in capsys.readouterr().out
    trace = Trace(file)
    events = trace.read(1, 1000)
    trace.close()
    assert {"pre-prepare", "prepare", "commit"} <= {event.kind for event in events}
    assert [event.received_ns for event in events] == sorted(it.received_ns for it in events)
    assert main.main(command) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--seeds", "5..5"),
        ("--seeds", "x"),
        ("--agents", "3"),
        ("--seeds", "0..2", "--trace", "unused"),
        ("--only", "1"),
        ("--seeds", "0..1", "--only", "a"),
    ],
)
def test_questions_that_make_no_sense_are_refused(words: tuple[str, ...]) -> None:
    try:
        code = main.main(["simulate", *words])
    except SystemExit as error:
        code = int(str(error.code))

    assert code == 2
