"""What customers were told, against what the database holds."""

import msgspec

from chaos.integrity import Integrity, OrderNote, told


def lines(*notes: tuple[str, str]) -> list[bytes]:
    return [msgspec.json.encode(OrderNote(order, said)) for order, said in notes]


def counts(**changed: int) -> Integrity:
    fields = {
        "orders_acknowledged": 5,
        "orders_lost": 0,
        "orders_unsettled": 0,
        "orders_confirmed": 5,
        "orders_pending": 0,
        "reserved": 5,
        "charged": 5,
        "stock_taken": 5,
        "unreserved": 0,
    }
    return Integrity(**{**fields, **changed})


def test_an_order_is_unsettled_until_its_customer_was_told() -> None:
    notes = lines(("a", "asked"), ("b", "asked"), ("c", "asked"), ("a", "acknowledged"))
    notes += lines(("b", "declined"))

    assert told(notes) == ({"a"}, {"c"})


def test_a_torn_line_is_not_believed() -> None:
    assert told([*lines(("a", "asked")), b'{"order":"a","told":"ackn']) == (set(), {"a"})


def test_equal_counts_are_sound_and_equal() -> None:
    assert counts().sound
    assert counts().equal


def test_a_lost_order_is_not_sound() -> None:
    assert not counts(orders_lost=1).sound


def test_stock_without_reservation_is_not_sound() -> None:
    assert not counts(stock_taken=6).sound


def test_an_order_under_way_is_sound_and_not_yet_equal() -> None:
    under_way = counts(reserved=6, stock_taken=6, orders_pending=1)

    assert under_way.sound
    assert not under_way.equal
    assert not under_way.quiet
