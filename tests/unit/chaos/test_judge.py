"""The SLO probe's verdicts, and when it announces them."""

from chaos.fleet.judge import SECOND_NS, Asked, Colours, Second, judge
from engine.vocabulary import Probed

LATENCY_MS = 1_000


def second(number: int, *, green: bool) -> Second:
    return Second(number * SECOND_NS, 0, 5, 0, green, None)


def announced(colours: str) -> list[tuple[int, bool, int]]:
    machine = Colours("checkout", 100)
    found = []
    for number, colour in enumerate(colours):
        probed = machine.step(second(number, green=colour == "g"))
        if probed is not None:
            found.append((number, probed.green, probed.held_ms))
    return found


def test_a_second_is_green_when_all_were_answered_well_in_time() -> None:
    verdict = judge(0, 0, [Asked(1, 2, good=True), Asked(3, SECOND_NS + 3, good=True)], LATENCY_MS)

    assert (verdict.green, verdict.good, verdict.bad, verdict.first_bad_ns) == (True, 2, 0, None)


def test_a_late_answer_is_bad_from_the_moment_in_which_it_became_late() -> None:
    verdict = judge(0, 0, [Asked(5, 2 * SECOND_NS, good=True)], LATENCY_MS)

    assert (verdict.green, verdict.first_bad_ns) == (False, 5 + SECOND_NS)


def test_a_wrong_answer_is_bad_from_its_end_on() -> None:
    verdict = judge(0, 0, [Asked(5, 9), Asked(6, 7, good=True)], LATENCY_MS)

    assert (verdict.green, verdict.good, verdict.bad, verdict.first_bad_ns) == (False, 1, 1, 9)


def test_a_second_without_requests_is_not_green() -> None:
    assert not judge(0, 0, [], LATENCY_MS).green


def test_a_colour_is_announced_at_its_first_second_and_when_it_has_held() -> None:
    assert announced("g" * 200) == [
        (0, True, 1_000),
        (1, True, 2_000),
        (4, True, 5_000),
        (9, True, 10_000),
        (29, True, 30_000),
        (59, True, 60_000),
        (119, True, 120_000),
        (179, True, 180_000),
    ]


def test_each_change_of_colour_is_announced_and_starts_the_holding_anew() -> None:
    assert announced("gggrrg") == [
        (0, True, 1_000),
        (1, True, 2_000),
        (3, False, 1_000),
        (4, False, 2_000),
        (5, True, 1_000),
    ]


def test_the_counter_rises_strictly_and_the_subject_stays() -> None:
    machine = Colours("checkout", 100)
    probed = [machine.step(second(n, green=n % 2 == 0)) for n in range(5)]

    assert [said.counter for said in probed if said] == [101, 102, 103, 104, 105]
    assert isinstance(probed[0], Probed)
    assert probed[0].subject == "checkout"
