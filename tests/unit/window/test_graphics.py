"""How the window draws follows from what was asked for and from who draws."""

import pytest

from controlroom.window.qt.graphics import MOST_PIXELS, drawing

MESA = "llvmpipe (LLVM 15.0.6, 256 bits)"
CARD = "NVIDIA GeForce RTX 4060/PCIe/SSE2"


@pytest.mark.parametrize("software", [MESA, "softpipe", ""])
def test_where_the_processor_draws_the_picture_is_painted_and_plain_unless_asked(
    software: str,
) -> None:
    assert drawing("auto", software) == drawing("low", software) == (True, 0, True, MOST_PIXELS)
    high = drawing("high", software)
    assert high.painted
    assert high.samples > 0
    assert not high.plain


def test_a_graphics_card_draws_into_the_window_and_smoothly_unless_asked() -> None:
    assert drawing("auto", CARD) == drawing("high", CARD)
    assert not drawing("auto", CARD).painted
    assert drawing("auto", CARD).samples > 0
    assert drawing("low", CARD) == (False, 0, True, 0)
