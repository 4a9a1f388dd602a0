"""A screen for the real window: the one that there is, or a virtual one that the tests start."""

import atexit
import os
import select
import shutil
import subprocess
from collections.abc import Generator

import pytest

from engine.supervisor import dying_with

PACKAGES = "xvfb libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxkbcommon-x11-0"
MENDS = f"apt-get install --no-install-recommends {PACKAGES}"
WITHIN_S = 20.0


@pytest.fixture(scope="session")
def screen() -> Generator[str]:
    """The display of a virtual screen of 1600 by 1000 pixels; fails where it cannot be started."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.fail(f"no virtual screen (Xvfb) is installed here: {MENDS}")
    reader, writer = os.pipe()
    argv = [program, "-displayfd", str(writer), "-screen", "0", "1600x1000x24"]
    argv += ["-nolisten", "tcp", "+extension", "GLX", "+render", "-noreset"]
    # Qt lives until the very end of this process, and dies of a screen that goes before it: so the
    # kernel ends the screen when we are gone.
    process = subprocess.Popen(
        argv,
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=dying_with(os.getpid()),
    )
    # The kernel will have ended it before anybody could ask: nothing to warn of.
    atexit.register(setattr, process, "returncode", 0)
    os.close(writer)
    yield _display(reader)
    os.close(reader)


def _display(reader: int) -> str:
    said = b""
    while not said.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], WITHIN_S)
        part = os.read(reader, 16) if ready else b""
        if not part:
            pytest.fail(f"the virtual screen (Xvfb) did not start; {MENDS}")
        said += part
    return f":{said.decode().strip()}"


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
