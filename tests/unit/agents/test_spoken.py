"""What an agent has said is never forgotten for something else, whatever happens to the file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agents.spoken import MAX_KEPT, SpokenFile
from engine.codec import Malformed
from engine.vocabulary import Assessed, Digest, IncidentKey, Verdict


def answer(number: int, verdict: Verdict = Verdict.ACCEPT) -> Assessed:
    return Assessed(
        IncidentKey("shop/checkout#1"), Digest(bytes([number % 256] * 32)), verdict, 900
    )


def say(path: Path, count: int, first: int = 0) -> None:
    spoken = SpokenFile(path)
    for number in range(first, first + count):
        spoken.remember(f"answer {number}", answer(number))
    spoken.close()


def said(path: Path, count: int) -> list[bool]:
    spoken = SpokenFile(path)
    known = [spoken.recall(f"answer {number}") == answer(number) for number in range(count)]
    spoken.close()
    return known


def test_what_was_said_is_known_after_a_restart(tmp_path: Path) -> None:
    say(tmp_path / "spoken", 3)

    assert said(tmp_path / "spoken", 4) == [True, True, True, False]


def test_a_second_different_answer_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    say(tmp_path / "spoken", 1)
    spoken = SpokenFile(tmp_path / "spoken")

    with pytest.raises(ValueError, match="something else was said before"):
        spoken.remember("answer 0", answer(0, Verdict.REJECT))

    assert spoken.recall("answer 0") == answer(0)
    spoken.remember("answer 0", answer(0))
    spoken.close()
    assert said(tmp_path / "spoken", 1) == [True]


@given(st.data())
def test_a_torn_last_record_was_never_said_and_the_next_one_is_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("torn") / "spoken"
    say(path, 2)
    whole = path.stat().st_size
    say(path, 1, first=2)
    kept = data.draw(st.integers(whole, path.stat().st_size - 1))
    path.write_bytes(path.read_bytes()[:kept])

    say(path, 1, first=3)

    assert said(path, 4) == [True, True, False, True]


def test_zeros_that_a_file_system_left_at_the_end_were_never_said(tmp_path: Path) -> None:
    path = tmp_path / "spoken"
    say(path, 2)
    path.write_bytes(path.read_bytes() + bytes(300))

    assert said(path, 3) == [True, True, False]


@given(st.data())
def test_damage_before_the_last_record_is_found_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "spoken"
    say(path, 2)
    end = path.stat().st_size
    say(path, 1, first=2)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, end - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    with pytest.raises(Malformed, match="might contradict itself: give it a new key"):
        SpokenFile(path)


def test_memory_and_file_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "spoken"
    say(path, 1)
    one = path.stat().st_size
    record = path.read_bytes()
    path.write_bytes(record * (3 * MAX_KEPT))
    say(path, MAX_KEPT + 10, first=1)

    assert said(path, MAX_KEPT + 11)[11:] == [True] * MAX_KEPT
    assert path.stat().st_size < (MAX_KEPT + 1) * (one + 10)


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    say(tmp_path / "spoken", 1)

    assert (tmp_path / "spoken").stat().st_mode & 0o077 == 0
