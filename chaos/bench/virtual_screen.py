"""A screen for windows where there is none: Xvfb, ended by the kernel when we end."""

import os
import select
import shutil
import subprocess

from engine.supervisor import dying_with

__all__ = ["MENDS", "NoScreen", "start_screen"]

PACKAGES = "xvfb libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxkbcommon-x11-0"
MENDS = f"apt-get install --no-install-recommends {PACKAGES}"
WITHIN_S = 20.0


class NoScreen(RuntimeError):
    """No virtual screen can be had; the message says the command that mends it."""


def start_screen(size: str = "1600x1000x24") -> tuple["subprocess.Popen[bytes]", str]:
    """A virtual screen of ``size`` and the display it has; whoever asked for it ends it.

    Raises:
        NoScreen: Xvfb is not installed, or did not start.
    """
    program = shutil.which("Xvfb")
    if program is None:
        raise NoScreen(f"no virtual screen (Xvfb) is installed here: {MENDS}")
    reader, writer = os.pipe()
    argv = [program, "-displayfd", str(writer), "-screen", "0", size]
    argv += ["-nolisten", "tcp", "+extension", "GLX", "+render", "-noreset"]
    process = subprocess.Popen(
        argv,
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=dying_with(os.getpid()),
    )
    os.close(writer)
    try:
        return process, _display(reader)
    except NoScreen:
        process.kill()
        process.wait()
        raise
    finally:
        os.close(reader)


def _display(reader: int) -> str:
    said = b""
    # poll, as select takes no descriptor above 1023.
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    while not said.endswith(b"\n"):
        part = os.read(reader, 16) if waiting.poll(WITHIN_S * 1000) else b""
        if not part:
            raise NoScreen(f"the virtual screen (Xvfb) did not start; {MENDS}")
        said += part
    return f":{said.decode().strip()}"
