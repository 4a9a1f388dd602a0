"""Logs become counted templates, whatever the file does meanwhile."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.logs import (
    MAX_LINE_BYTES,
    MAX_POLL_BYTES,
    MAX_TEMPLATE_CHARACTERS,
    MAX_TEMPLATES,
    LineAssembler,
    Tail,
    TemplateCounter,
    mask,
)


def test_mask_puts_a_typed_placeholder_for_each_variable_part() -> None:
    text = "user bob@example.org paid 12.50 from 10.0.0.7:443 for '/etc/passwd' at /srv/shop/a.py"

    assert mask(text) == "user <mail> paid <number> from <address> for <text> at <path>"


def test_mask_hides_identifiers() -> None:
    assert mask("order 0a1b2c3d4e5f failed") == "order <hex> failed"
    assert mask("id 123e4567-e89b-12d3-a456-426614174000") == "id <id>"


@given(st.text(max_size=2_000))
def test_a_template_is_one_short_line_without_control_characters(text: str) -> None:
    masked = mask(text)

    assert len(masked) <= MAX_TEMPLATE_CHARACTERS
    assert masked.isprintable() or all(c >= " " and c != "\x7f" for c in masked)
    assert "\n" not in masked


@given(st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b)), st.randoms())
def test_lines_come_out_whole_however_they_are_cut(lines: list[bytes], random: object) -> None:
    data = b"".join(line + b"\n" for line in lines)
    assembler, found, place = LineAssembler(), [], 0
    while place < len(data):
        size = random.randint(1, 40)  # type: ignore[attr-defined]
        found += assembler.feed(data[place : place + size])
        place += size

    assert found == lines


def test_too_long_a_line_is_dropped_once_and_the_next_one_kept() -> None:
    assembler = LineAssembler()

    found = assembler.feed(b"x" * (MAX_LINE_BYTES + 1))
    found += assembler.feed(b"x" * MAX_LINE_BYTES) + assembler.feed(b"x\nshort\n")

    assert found == [b"short"]
    assert assembler.dropped == 1


def test_counts_by_level_and_template() -> None:
    counter = TemplateCounter()
    for number in range(3):
        counter.count(b'{"level":"error","msg":"took %d ms","exception":"TimeoutError"}' % number)
    counter.count(b'{"level":"info","msg":"served"}')

    assert counter.take() == {
        ("error", "took <number> ms [TimeoutError]"): 3,
        ("info", "served"): 1,
    }
    assert counter.take() == {}


def test_keeps_a_bounded_number_of_templates_and_counts_the_rest() -> None:
    counter = TemplateCounter()
    letters = "abcdefghijklmnopqrstuvwxyz"
    for first in letters:
        for second in letters:
            counter.count(f'{{"level":"error","msg":"{first} {second}"}}'.encode())

    assert len(counter.take()) == MAX_TEMPLATES
    assert counter.overflowed == 26 * 26 - MAX_TEMPLATES


@given(st.binary(max_size=200))
def test_a_counter_takes_any_bytes(line: bytes) -> None:
    TemplateCounter().count(line)


def test_a_level_that_is_none_of_ours_is_unreadable() -> None:
    counter = TemplateCounter()
    counter.count(b'{"level":"restart payments","msg":"x"}')

    assert counter.take() == {}
    assert counter.unreadable == 1


def test_a_tail_begins_at_the_end_and_follows_growth(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"old\n")
    tail = Tail(path)
    assert tail.poll() == []

    with path.open("ab") as file:
        file.write(b"one\ntw")
    assert tail.poll() == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\n")

    assert tail.poll() == [b"two"]


def test_a_tail_survives_rotation_absence_and_truncation(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    tail = Tail(path)
    assert tail.poll() == []

    path.write_bytes(b"first\n")
    assert tail.poll() == [b"first"]
    path.rename(tmp_path / "a.log.1")
    assert tail.poll() == []
    path.write_bytes(b"second, longer than before\n")
    assert tail.poll() == [b"second, longer than before"]
    path.write_bytes(b"third\n")

    assert tail.poll() == [b"third"]


def test_a_tail_that_falls_behind_skips_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.touch()
    tail = Tail(path)
    tail.poll()

    path.write_bytes(b"0123456789\n" * (MAX_POLL_BYTES // 11 * 3))
    lines = tail.poll()

    assert set(lines) == {b"0123456789"}
    assert tail.skipped_bytes > MAX_POLL_BYTES
