"""A successor before its time: it makes its key, claims its place, and follows the log until then.

It votes on nothing and says nothing, and takes office with the proof that the old epoch has ended,
or when the next one goes on without it: till then that epoch may need the voice of whoever it replaces. Its vote log is begun before its key exists, so a key without
one is known to have lost it, and is void.
"""

import asyncio
from typing import TYPE_CHECKING

import structlog

from engine.bus.nats import NatsBus
from engine.clock import SystemClock
from engine.consensus.vote_log import VoteLog
from engine.founding import constitution
from engine.ledger.charters import read_proved
from engine.ledger.follower import LedgerFollower
from engine.ledger.sqlite import SqliteLedger
from engine.paths import RunPaths
from engine.signing import Ed25519Signer, Ed25519Verifier
from engine.standing import publish_claim
from engine.vocabulary import AgentId

if TYPE_CHECKING:
    from engine.genesis import Genesis

LOOK_EVERY_S = 0.05

log = structlog.get_logger()

__all__ = ["await_office", "new_key"]


def new_key(paths: RunPaths, agent: AgentId, generation: int) -> Ed25519Signer:
    """The successor's key; made, after its vote log, when it is started for the first time.

    Raises:
        VotesDamaged: there is a key, but the votes that it may have cast are gone.
    """
    folder = paths.successor(agent, generation)
    folder.mkdir(mode=0o700, exist_ok=True)
    made = (folder / "key").exists()
    VoteLog(folder / "votes", may_begin=not made).close()
    return Ed25519Signer.load_or_create(folder / "key")


async def await_office(paths: RunPaths, agent: AgentId, generation: int) -> None:
    """Return once the successor's own ledger says that its key counts, and the epoch has begun.

    Raises:
        Malformed: a file of the run is wrong, or not what genesis pins.
        VotesDamaged: its vote log cannot be used, so this key is void.
    """
    signer = new_key(paths, agent, generation)
    genesis, _, _ = await constitution(paths)
    verifier, clock = Ed25519Verifier(), SystemClock()
    store = SqliteLedger(paths.successor(agent, generation) / "ledger.sqlite", genesis)
    bus = await NatsBus.connect(paths.bus_credential(agent))
    try:
        follower = LedgerFollower(
            bus, genesis, verifier, store, clock, lambda _entry, _received_ns: None, name=agent
        )
        following = asyncio.create_task(follower.run())
        try:
            await _until_ordered_in(paths, agent, generation, signer, follower, following)
            await _until_begun(paths, agent, generation, genesis, follower, following)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    finally:
        await bus.close()
        store.close()


async def _until_ordered_in(
    paths: RunPaths,
    agent: AgentId,
    generation: int,
    signer: Ed25519Signer,
    follower: LedgerFollower,
    following: "asyncio.Task[None]",
) -> None:
    """Claim the place anew in each epoch, until one begins in which it is this key's."""
    claimed: Genesis | None = None
    while not following.done():
        now = follower.constitution
        if now.agent_keys()[agent] == signer.public_key:
            log.info("ordered_in", epoch=now.epoch, after=now.base[0])
            return
        if now is not claimed:
            publish_claim(paths, agent, generation, now, signer)
            claimed = now
        await asyncio.sleep(LOOK_EVERY_S)
    await following


async def _until_begun(
    paths: RunPaths,
    agent: AgentId,
    generation: int,
    genesis: "Genesis",
    follower: LedgerFollower,
    following: "asyncio.Task[None]",
) -> None:
    """Keep the proof that the old epoch has ended as the first record of the vote log."""
    votes = VoteLog(paths.successor(agent, generation) / "votes", may_begin=False)
    try:
        while not following.done() and not votes.records:
            now = follower.constitution
            for began in read_proved(paths.charters, genesis, Ed25519Verifier()):
                if began.charter == now:
                    votes.append((began,))
                    return
            if follower.executed > now.base[0]:
                return
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        votes.close()
    if following.done():
        await following
