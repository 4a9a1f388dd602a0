"""Labels stand beside things: over one only where there is no other place, over urgent ones never."""

from controlroom.window.scene.eye import look
from controlroom.window.scene.palette import DIM, INK
from controlroom.window.scene.placing import URGENT, Label, Placed, Side, placed

EYE = look((0.0, -10.0, 0.0), (0.0, 0.0, 0.0), 800, 600)
RIGHT_OF_IT = (2.4, 0.0, 0.0)


def measure(_: Label) -> tuple[float, float]:
    return 120.0, 30.0


def label(name: str, at: tuple[float, float, float], priority: int, *sides: Side) -> Label:
    return Label(name, at, name, "", INK, priority, sides, DIM, 1.0)


def place_of(found: list[Placed], name: str) -> Placed:
    return next(it for it in found if it.label.id == name)


def test_a_label_takes_its_second_side_where_the_first_lies_over_a_thing() -> None:
    wanted = [
        label("chosen", (0.0, 0.0, 0.0), URGENT + 1, Side.RIGHT, Side.LEFT),
        label("neighbour", RIGHT_OF_IT, URGENT + 2, Side.ABOVE),
    ]

    alone = place_of(placed(wanted[:1], EYE, measure), "chosen")
    beside = place_of(placed(wanted, EYE, measure), "chosen")

    assert alone.x > EYE.width / 2
    assert beside.x < EYE.width / 2


def test_a_label_lies_over_a_thing_rather_than_nowhere_but_never_over_an_urgent_one() -> None:
    only = label("chosen", (0.0, 0.0, 0.0), URGENT + 2, Side.RIGHT)
    calm = label("neighbour", RIGHT_OF_IT, URGENT + 1, Side.ABOVE)
    urgent = label("neighbour", RIGHT_OF_IT, URGENT, Side.ABOVE)

    assert {it.label.id for it in placed([calm, only], EYE, measure)} == {"neighbour", "chosen"}
    assert {it.label.id for it in placed([urgent, only], EYE, measure)} == {"neighbour"}


def test_what_a_panel_covers_is_not_named() -> None:
    wanted = [label("chosen", (0.0, 0.0, 0.0), 1, Side.RIGHT, Side.LEFT)]
    panel = (EYE.width / 2 - 5.0, EYE.height / 2 - 5.0, EYE.width / 2 + 5.0, EYE.height / 2 + 5.0)

    assert placed(wanted, EYE, measure)
    assert not placed(wanted, EYE, measure, [panel])
