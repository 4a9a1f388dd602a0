"""A run on disk: synced, whole, and taken up again after whatever cut it off."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import Malformed
from infra.deploy.journal import Line, Progress, RunFolder, Shelf
from infra.deploy.local_lock import Held, Holder, holder_of, local_lock
from infra.deploy.run import Began, Kind, Phase, Preflighted, Run, Synthesised

BEGAN = Began(1, Kind.APPLY, "local", "here", "b", False, False, 0, 0)
ME = Holder("anna@desk", 1, 7, 0)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, "local").make()


@pytest.fixture
def folder(shelf: Shelf) -> RunFolder:
    folder = shelf.new()
    for event in (BEGAN, Preflighted(()), Progress("S", "R", "T", "CREATE_COMPLETE")):
        folder.append(Line(1, 2, event))
    return folder


def test_a_run_is_what_its_journal_says(folder: RunFolder) -> None:
    assert folder.run().phase is Phase.SYNTHESIS
    assert len(folder.lines()) == 3


def test_half_a_line_is_forgotten_and_the_next_one_is_whole(folder: RunFolder) -> None:
    with folder.events.open("ab") as file:
        file.write(b'{"at_ms":3,"pid":2,"what":{"event":"synth')

    assert folder.run().phase is Phase.SYNTHESIS
    folder.mend()
    folder.append(Line(3, 2, Synthesised("aa")))
    assert folder.run().phase is Phase.PLAN


def test_a_line_that_is_none_is_named_with_its_place(folder: RunFolder) -> None:
    with folder.events.open("ab") as file:
        file.write(b'{"at_ms":"x"}\n')

    with pytest.raises(Malformed, match=r"events\.jsonl: line 4"):
        folder.run()


def test_events_in_an_order_that_cannot_be_are_refused(folder: RunFolder) -> None:
    folder.append(Line(3, 2, BEGAN))

    with pytest.raises(Malformed, match="cannot follow"):
        folder.run()


@given(st.binary(max_size=200))
def test_whatever_lies_in_a_journal_it_is_read_or_refused(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        folder.events.write_bytes(msgspec.json.encode(Line(1, 2, BEGAN)) + b"\n" + data)
        try:
            run = folder.run()
        except Malformed:
            return
        assert run.number == 1


FULL = """
import resource, sys
from pathlib import Path
from infra.deploy.journal import Line, RunFolder
from infra.deploy.run import Synthesised
folder = RunFolder(Path(sys.argv[1]))
size = folder.events.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, size + 20))
try:
    folder.append(Line(3, 2, Synthesised("aa")))
except OSError as error:
    assert folder.events.stat().st_size == size, "half a line stands in the way"
    sys.exit(f"refused: {error.errno}")
"""


def test_a_disk_with_no_room_leaves_the_journal_as_it_was(folder: RunFolder) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder.path)], capture_output=True, text=True, check=False
    )

    assert "refused" in done.stderr
    assert folder.run().phase is Phase.SYNTHESIS


# --- what is good ----------------------------------------------------------------------------------


def good(shelf: Shelf) -> Run:
    folder = shelf.new()
    folder.assembly.mkdir()
    began = msgspec.structs.replace(BEGAN, number=folder.number)
    folder.append(Line(1, 2, began))
    run = folder.run()
    shelf.keep(run)
    return run


def test_only_so_many_good_assemblies_are_kept(shelf: Shelf) -> None:
    runs = [good(shelf).number for _ in range(5)]

    assert shelf.goods() == runs[:1:-1]
    assert not shelf.folder(runs[0]).assembly.exists()
    assert shelf.folder(runs[0]).events.exists()


def test_an_assembly_that_is_gone_cannot_be_gone_back_to(shelf: Shelf) -> None:
    number = good(shelf).number
    shelf.folder(number).assembly.rmdir()

    assert shelf.good() == 0
    with pytest.raises(Malformed, match="cannot be gone back to"):
        shelf.before(0, number)


def test_what_says_what_is_good_is_refused_when_it_cannot_be_read(shelf: Shelf) -> None:
    (shelf.path / "good.json").write_text("{")

    with pytest.raises(Malformed, match=r"good\.json"):
        shelf.good()


# --- one at a time ---------------------------------------------------------------------------------


def test_a_second_deployment_on_this_machine_is_told_who_has_it(shelf: Shelf) -> None:
    with local_lock(shelf.lock, ME):
        assert holder_of(shelf.lock) == ME
        with pytest.raises(Held, match="anna@desk, pid 1, run 7"), local_lock(shelf.lock, ME):
            pass
    assert holder_of(shelf.lock) is None
    with local_lock(shelf.lock, ME):
        pass
