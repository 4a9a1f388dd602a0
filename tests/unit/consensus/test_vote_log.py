"""A vote that was written is there after any crash; damage is an error, never a lost vote."""

from pathlib import Path

import pytest

from engine.consensus.effects import Voted
from engine.consensus.vote_log import VoteLog, VotesDamaged

ONE, TWO, THREE = Voted(b"one"), Voted(b"two"), Voted(b"three")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    log = VoteLog(tmp_path / "votes")
    log.append([ONE])
    log.append([TWO, THREE])
    log.close()
    return tmp_path / "votes"


def _reopened(path: Path) -> tuple[object, ...]:
    log = VoteLog(path, may_begin=False)
    log.close()
    return log.records


def test_what_was_appended_is_there_again(path: Path) -> None:
    assert _reopened(path) == (ONE, TWO, THREE)


def test_a_torn_last_write_is_dropped_whole_wherever_it_tore(path: Path) -> None:
    whole = path.read_bytes()
    last = len(whole) - 8 - len(b"\x92\x92\xa5voted\xc4\x03two\x92\xa5voted\xc4\x05three")

    for length in range(last, len(whole)):
        path.write_bytes(whole[:length])
        assert _reopened(path) == (ONE,)
        assert path.stat().st_size == last


def test_a_last_write_of_which_only_the_length_reached_the_disk_is_dropped(path: Path) -> None:
    whole = path.read_bytes()

    path.write_bytes(whole[:-5] + bytes(5))

    assert _reopened(path) == (ONE,)


def test_a_changed_byte_in_the_middle_is_an_error_with_its_place(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)

    with pytest.raises(VotesDamaged, match=r"votes: damaged at byte 27.*new key"):
        VoteLog(path)


def test_a_log_can_be_replaced_and_appended_to(path: Path) -> None:
    log = VoteLog(path)
    log.replace([THREE])
    log.append([ONE])
    log.close()

    assert _reopened(path) == (THREE, ONE)


def test_lost_votes_beside_a_ledger_stop_the_agent(tmp_path: Path) -> None:
    with pytest.raises(VotesDamaged, match="the votes are gone"):
        VoteLog(tmp_path / "votes", may_begin=False)


def test_another_file_is_no_vote_log(tmp_path: Path) -> None:
    (tmp_path / "votes").write_bytes(b"something else")
    with pytest.raises(VotesDamaged, match="no vote log"):
        VoteLog(tmp_path / "votes")


def test_two_processes_cannot_vote_as_one_agent(path: Path) -> None:
    first = VoteLog(path)
    with pytest.raises(VotesDamaged, match="another process"):
        VoteLog(path)
    first.close()
    VoteLog(path).close()
