"""The subjects of the bus: who says what where. An author's name is the last word or the second.

``pbft.A`` and ``pbft.A.B`` what replica A says to all and to B · ``head.A`` where its ledger ends ·
``submit.X`` what author X asks to have ordered · ``ordered.A`` what A saw ordered ·
``ledger.A`` the entries that A executed · ``fetch.X`` who asks for older ones · ``trace.A``,
``status.A``, ``certificate.A`` what an agent has for screens and for the actuator.
"""

import re

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def name_in_subject(name: str) -> str:
    """``name``, if it can be one word of a subject.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a word of a subject; use letters, digits, - and _")
    return name


def matches(pattern: str, subject: str) -> bool:
    """Whether ``subject`` is one that ``pattern`` asks for; ``*`` stands for one word."""
    wanted, words = pattern.split("."), subject.split(".")
    return len(wanted) == len(words) and all(
        want in ("*", word) for want, word in zip(wanted, words, strict=True)
    )
