"""The bearer token of the screens: 256 random bits in a file that only its owner may read."""

import os
import secrets
from pathlib import Path

from engine.codec import Malformed

TOKEN_BYTES = 32


def load_or_create_token(path: Path) -> str:
    """The token in the file ``path``; made there if it is new.

    Raises:
        Malformed: the file is readable by others or holds no token.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_token(path)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token


def read_token(path: Path) -> str:
    """The token in an existing file.

    Raises:
        Malformed: the file is missing, readable by others, or holds no token.
    """
    try:
        mode = path.stat().st_mode & 0o777
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise Malformed(f"{path}: cannot read the token: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Malformed(f"{path}: no token; remove the file and start the engine anew") from None
    if mode & 0o077:
        raise Malformed(f"{path}: others can read this token; run: chmod 600 {path}")
    if len(token) < TOKEN_BYTES or not token.isprintable() or " " in token:
        raise Malformed(f"{path}: no token; remove the file and start the engine anew")
    return token
