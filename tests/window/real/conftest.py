"""A screen for the real window: the one that there is, or a virtual one that the tests start."""

import atexit
from collections.abc import Generator

import pytest

from chaos.bench.virtual_screen import NoScreen, start_screen


@pytest.fixture(scope="session")
def screen() -> str:
    """The display of a virtual screen of 1600 by 1000 pixels; fails where it cannot be started."""
    try:
        process, display = start_screen()
    except NoScreen as error:
        pytest.fail(str(error))
    # Qt lives until the very end of this process, and dies of a screen that goes before it: so the
    # kernel ends the screen when we are gone, before anybody could ask.
    atexit.register(setattr, process, "returncode", 0)
    return display


@pytest.fixture(scope="session", autouse=True)
def _qt(screen: str) -> Generator[None]:
    """Qt and VTK on that screen, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", screen)
        patch.setenv("QT_QPA_PLATFORM", "xcb")
        patch.setenv("QT_API", "pyside6")
        patch.delenv("WAYLAND_DISPLAY", raising=False)
        yield


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Generator[None]:
    """No thread, no timer, no widget and no VTK object outlives a test (after pyvistaqt's own)."""
    if "qtbot" not in request.fixturenames:
        yield
        return
    from tests.window.real.leftovers import Leftovers

    before = Leftovers.now()
    yield
    # pytest itself holds what the fixtures gave until the very end.
    request.node.funcargs.clear()
    assert Leftovers.settled_since(before) == []
