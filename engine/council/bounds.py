"""How large an operation may be: the log is for ever, and every agent keeps it (pure)."""

import msgspec

from engine.vocabulary import MAX_ITEMS, MAX_TEXT

MAX_BYTES = 1 << 16
"""Longest byte string: the two messages of an evidence are the only long ones."""
MAX_DEPTH = 8
"""An operation nests five deep: plan, hypothesis, evidence, signal, name."""


def objection_to(value: object, depth: int = 0) -> str:
    """Why an operation, or a part of it, is too large to be counted; empty when it is not."""
    if depth > MAX_DEPTH:
        return f"nests deeper than {MAX_DEPTH}"
    match value:
        case str() if len(value) > MAX_TEXT:
            return f"a text has {len(value)} characters; {MAX_TEXT} are allowed"
        case bytes() if len(value) > MAX_BYTES:
            return f"{len(value)} bytes in one piece; {MAX_BYTES} are allowed"
        case tuple() if len(value) > MAX_ITEMS:
            return f"a list has {len(value)} elements; {MAX_ITEMS} are allowed"
        case tuple():
            parts: tuple[object, ...] = value
        case msgspec.Struct():
            parts = tuple(getattr(value, name) for name in value.__struct_fields__)
        case _:
            return ""
    for part in parts:
        # Numbers and the like have no size.
        if isinstance(part, (str, bytes, tuple, msgspec.Struct)):
            objection = objection_to(part, depth + 1)
            if objection:
                return objection
    return ""
