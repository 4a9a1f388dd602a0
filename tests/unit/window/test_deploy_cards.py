"""What the deploy drawer says, with a glyph and a word beside every colour."""

from controlroom.window.cards import words_of
from controlroom.window.deploy_cards import deploy_card, environment_words
from engine.stream.state import Health
from tests.console.test_deploy_mode import PLAN, row


def test_an_environment_is_told_with_its_run_its_checks_and_its_hazards() -> None:
    words = words_of(deploy_card(row("prod", plan=PLAN, phase="approval")))

    assert "run 3, build 4f3efd4" in words.lower()
    assert f"! plan {PLAN[:12]} waits for a yes, typing its name" in words
    assert "✓ http: 200" in words
    assert "✖ deletion S.Table" in words
    assert "✓ Ic-local-Api 3/3" in words


def test_a_failed_run_says_why() -> None:
    words = words_of(deploy_card(row(phase="failed", reason="the stack was rolled back")))

    assert "✖ failed" in words
    assert "the stack was rolled back" in words


def test_what_there_is_no_room_for_is_counted() -> None:
    checks = tuple(f"ok check {number}" for number in range(11))

    assert "and 3 more" in words_of(deploy_card(row(checks=checks)))


def test_a_button_tells_glyph_environment_and_phase() -> None:
    words = environment_words(row("dev", health=Health.BROKEN, busy=True, phase="apply"))

    assert words.startswith("✖ dev")
    assert "▸ apply" in words
    assert "deploys nothing" in words_of(deploy_card(None))
