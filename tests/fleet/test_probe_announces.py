"""The SLO probe's word is ordered by real replicas, under the probe's own key."""

import asyncio
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from chaos.fleet.announce import Announcer
from engine import genesis as genesis_file
from engine.codec import decode
from engine.genesis import PROBE
from engine.signing import Ed25519Signer
from engine.vocabulary import Operation, Probed, Signed, Submission
from tests.fleet.swarm import Swarm
from tests.until import until

pytestmark = pytest.mark.fleet


def said_by_probe(made: Swarm) -> list[Operation]:
    frames = [frame for entry in made.executed[made.ids[0]] for frame in entry.batch]
    submissions = [decode(decode(frame, Signed).payload, Submission) for frame in frames]
    return [said for one in submissions if one.author == PROBE for said in one.operations]


async def test_an_announcement_waits_for_the_swarm_and_is_ordered_once(tmp_path: Path) -> None:
    made = Swarm(tmp_path)
    signer = Ed25519Signer.load_or_create(made.paths.probe_key)
    made.genesis = msgspec.structs.replace(made.genesis, probe=signer.public_key)
    announcer = Announcer(made.paths)
    announcing = asyncio.ensure_future(announcer.run())
    first = Probed("checkout", 1, green=False, held_ms=1_000)
    second = Probed("checkout", 2, green=True, held_ms=1_000)
    try:
        announcer.announce(first)
        await made.start_nats()
        for agent in made.ids:
            await made.start(agent)
        genesis_file.write(made.genesis, made.paths.genesis)

        await until(lambda: said_by_probe(made) == [first], deadline_s=20)
        announcer.announce(second)
        await until(lambda: said_by_probe(made) == [first, second], deadline_s=20)
    finally:
        announcing.cancel()
        with suppress(asyncio.CancelledError):
            await announcing
        await announcer.close()
        await made.close()
