"""A line is as loud as its level says, or as its form does."""

import pytest

from engine.telemetry.loudness import LOUD, QUIET, UNEASY, has_form_of_failure, of_level
from engine.telemetry.templates import TemplateMiner, typed


@pytest.mark.parametrize(
    ("word", "loudness"),
    [
        ("ERROR", LOUD),
        ("[error]", LOUD),
        ("E", LOUD),
        ("SEVERE", LOUD),
        ("Fehler", LOUD),
        ("ОШИБКА", LOUD),
        ("错误", LOUD),
        ("17", LOUD),
        ("50", LOUD),
        ("WARN", UNEASY),
        ("Warnung", UNEASY),
        ("13", UNEASY),
        ("INFO", QUIET),
        ("9", QUIET),
        ("", QUIET),
        ("error" * 100, QUIET),
    ],
)
def test_words_and_numbers_for_levels(word: str, loudness: int) -> None:
    assert of_level(word) == loudness


@pytest.mark.parametrize(
    "line",
    [
        "java.lang.NullPointerException: order 8812",
        "\tat shop.pay.Ledger.book(Ledger.java:77)",
        "Caused by: java.io.IOException: closed",
        "Traceback (most recent call last):",
        '  File "/app/ledger.py", line 77, in book',
        "KeyError: 'currency'",
        "panic: runtime error: index out of range [5] with length 2",
        "goroutine 71 [running]:",
        "thread 'main' panicked at src/main.rs:3:5",
        "System.NullReferenceException: Object reference not set",
        "TypeError: undefined is not a function",
        "2026-01-02 03:04:05 ERROR ledger is closed",
        "[ERROR] ledger is closed",
        "E0102 03:04:05 1 ledger.go:77] closed",
        "fatal: no ledger",
        "エラー: 台帳に接続できません",
    ],
)
def test_lines_that_have_the_form_of_a_failure(line: str) -> None:
    assert has_form_of_failure(typed(line))


@pytest.mark.parametrize(
    "line",
    [
        "served 17 requests without error",
        "errorCount: 0",
        "numErrors=0",
        "ErrorHandlerRegistry is ready",
        'note "java.lang.OutOfMemoryError: ERROR"',
        "comment=ERROR",
        "GET /errors/500 took 3 ms",
        "meet at noon (or later)",
    ],
)
def test_lines_that_do_not(line: str) -> None:
    assert not has_form_of_failure(typed(line))


def test_a_template_keeps_the_form_of_its_first_line() -> None:
    miner = TemplateMiner()
    numbers = [miner.number(f"KeyError: order {n} is gone") for n in range(5)]

    assert len(set(numbers)) == 1
    assert miner.is_failure(numbers[0])
    assert not miner.is_failure(miner.number("served order 7"))
    assert not miner.is_failure(0)
