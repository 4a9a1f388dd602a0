"""Keys of the viewer's own: taken where there is such a key, refused in one line where there is none."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from controlroom.keymap import BadKeymap, read_keymap
from controlroom.window.actions import ACTIONS, action_ids
from controlroom.window.qt.run import Wanted, check_keys, open_window
from controlroom.window.transport import Mode
from tests.window.real.test_window import WITHIN_MS, recording

pytestmark = pytest.mark.window


def test_every_key_of_the_table_is_one() -> None:
    check_keys({action.id: action.keys for action in ACTIONS})

    everything = [keys for action in ACTIONS for keys in action.keys.split()]
    assert len(everything) == len(set(everything))


def test_a_word_that_is_no_key_is_refused() -> None:
    with pytest.raises(BadKeymap, match=r"pause: 'Pling' is no key; keys look like"):
        check_keys({"pause": "P Pling"})


def test_the_viewers_own_key_does_what_he_says(qtbot: QtBot, tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[keys]\npause = "p"\n[window]\npause = "Ctrl+P"\n')
    keys = read_keymap(file, action_ids(), "window")
    window = open_window(Wanted(recording=recording(), keys=keys))
    window.resize(480, 360)
    window.begin()
    qtbot.waitUntil(lambda: window.view.frames > 0, timeout=WITHIN_MS)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=WITHIN_MS)
    transport = window.session.transport

    QTest.keyClick(window, Qt.Key.Key_P)
    assert transport.shown(window._clock_s()).mode is Mode.PLAYING
    QTest.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    assert transport.shown(window._clock_s()).mode is Mode.PAUSED

    window.close()
    window.deleteLater()
