"""The first line of standard input, where a request comes in that no argument may name."""

import os
import sys

MAX_BYTES = 16 * 1024


def read_first_line() -> bytes:
    """The line with its end, or what came before the end of input.

    Unbuffered: what follows the first line is for the event loop to read.
    """
    line = b""
    while not line.endswith(b"\n") and len(line) < MAX_BYTES:
        line += os.read(sys.stdin.fileno(), 1) or b"\n"
    return line
