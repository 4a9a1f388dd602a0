"""The disk under a simulated vote log: written as bytes, torn by a crash, read back as bytes."""

from collections.abc import Sequence

from engine.consensus.effects import AnyRecord
from engine.consensus.vote_frames import MAGIC, framed, parsed


def torn(records: Sequence[AnyRecord], share: float) -> bytes:
    """What a crash in the middle of the write leaves of a group: its beginning, never all of it."""
    group = framed(records)
    return group[: int(share * len(group))]


def reread(records: Sequence[AnyRecord], tail: bytes = b"") -> list[AnyRecord]:
    """``records`` as the real form of the vote log gives them back, with a torn ``tail`` behind."""
    whole = b"".join(framed((record,)) for record in records)
    return list(parsed(MAGIC + whole + tail)[0])
