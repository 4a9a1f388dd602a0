"""docs/stream.md says what the code does: whoever writes a client has nothing else."""

import re
from pathlib import Path

import msgspec
import pytest

from engine.stream import door, hub, pace, peer, publication, wire
from engine.stream.binary import COLUMNS, Kind, Section
from engine.stream.client import COMMANDS_A_SECOND, MESSAGES_A_SECOND
from engine.stream.connection import FIRST_DELAY_S, LONGEST_DELAY_S

PAGE = " ".join((Path(__file__).parents[3] / "docs" / "stream.md").read_text().split())


@pytest.mark.parametrize("part", COLUMNS)
def test_the_columns_of_each_row_are_written_down_in_order(part: str) -> None:
    row = re.search(rf"\| `{part}` \| [^|]+ \| ([^|]+) \|", PAGE)

    assert row is not None
    assert tuple(re.findall(r"`(\w+)`", row[1])) == COLUMNS[part]


@pytest.mark.parametrize("section", Section)
def test_the_sections_are_numbered_as_they_are(section: Section) -> None:
    assert re.search(rf"\b{section.value} `{section.name.lower()}`", PAGE)


@pytest.mark.parametrize("kind", Kind)
def test_the_kinds_of_frames_are_numbered_as_they_are(kind: Kind) -> None:
    assert f"{kind.value} {kind.name.lower()}" in PAGE


@pytest.mark.parametrize("message", [*wire.ServerMessage.__args__, *wire.ClientMessage.__args__])
def test_each_message_is_named_with_all_of_its_fields(message: type[msgspec.Struct]) -> None:
    config = message.__struct_config__
    assert f"`{config.tag}`" in PAGE or f'"op":"{config.tag}"' in PAGE
    for name in message.__struct_fields__:
        assert re.search(rf"[`\"{{, ]{name}[`\":}}, ]", PAGE), f"{config.tag}.{name}"


def test_the_figures_are_those_of_the_code() -> None:
    for said in (
        f"no `start` within {hub.START_S:.0f} s",
        f"handshakes were not finished within {peer.OPEN_S:.0f} s",
        f"nobody heard a close for {peer.CLOSE_S:.0f} s",
        f"a message of more than {wire.MAX_UPSTREAM_BYTES >> 10} KiB",
        f"≤ {wire.MAX_COMMAND_BYTES >> 10} KiB",
        f"close {door.UNAUTHORISED}",
        f"After {pace.DEMOTE_S:.0f} s of that (or {pace.ACK_S:.0f} s without an `ack`)",
        f"After {pace.PROMOTE_S:.0f} s without trouble",
        f"After {pace.EVICT_S:.0f} s it is closed",
        f"newest {publication.RING} states",
        f"newest {publication.EVENTS_RING:,}",
        f"{COMMANDS_A_SECOND:.0f} commands a second",
        f"{MESSAGES_A_SECOND:.0f} messages a second",
        f"{FIRST_DELAY_S} s, 0.5 s, … {LONGEST_DELAY_S:.0f} s",
    ):
        assert said in PAGE, said
