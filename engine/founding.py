"""Founding a cluster: every process makes its own key, and the genesis binds them all.

Public keys are gathered from one small file an author, written by that author's own process. From
then on each process checks that its files are those that genesis pins, or refuses to start.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import platformdirs
import structlog

from engine import genesis as genesis_file
from engine.catalogue import catalogue_digest
from engine.codec import Malformed
from engine.genesis import ACTUATOR, PROBE, Genesis, Member
from engine.paths import RunPaths
from engine.policy import Rules, read_rules
from engine.signing import Signer
from engine.topology import Manifest, read_manifest
from engine.vocabulary import AgentId, AuthorId, Role

WAIT_S = 30.0
"""A process whose key is not there by then is broken: say so instead of waiting for ever."""
APART_WAIT_S = 900.0
"""The same where each process has a machine of its own, which is found, started and fetches its program."""
TELL_EVERY_S = 10.0
"""Between two words of what is waited for."""

log = structlog.get_logger()


def swarm_of(size: int) -> list[tuple[AgentId, Role]]:
    """The names and roles of ``size`` agents, the five roles in turn.

    Raises:
        ValueError: not a positive multiple of five.
    """
    roles = list(Role)
    if size < len(roles) or size % len(roles):
        raise ValueError(
            f"{size} agents: a swarm has 5, 10, 15 … agents, one of each role at least"
        )
    return [
        (AgentId(AuthorId(f"{roles[i % len(roles)]}-{i // len(roles) + 1}")), roles[i % len(roles)])
        for i in range(size)
    ]


def wait_s(paths: RunPaths) -> float:
    """How long processes of this run wait for each other's files."""
    return WAIT_S if paths.apart is None else APART_WAIT_S


def publish_key(paths: RunPaths, author: AuthorId, signer: Signer) -> None:
    """Put the public key of ``author`` where the founding looks for it."""
    path = paths.public_key(author)
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_text(signer.public_key.hex() + "\n")
    scratch.replace(path)


async def introduce(paths: RunPaths, author: AuthorId, signer: Signer) -> None:
    """Publish the key of ``author`` for the founding, unless that has happened already.

    Raises:
        Malformed: nobody has made the folder for it.
    """
    if not paths.genesis.exists():
        await appearances([paths.public_keys], wait_s(paths))
        publish_key(paths, author, signer)


async def appearance(path: Path) -> None:
    """Wait until another process has put a file at ``path``; bounded by the caller's time-out."""
    # Another process's file: there is no event of ours to wait for.
    while not path.exists():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def appearances(wanted: Sequence[Path], within_s: float) -> None:
    """Wait until other processes have put all of ``wanted`` there, saying now and then what is missing.

    Raises:
        Malformed: some did not come in time; names them.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    while missing := [path for path in wanted if not path.exists()]:
        left_s = deadline - asyncio.get_running_loop().time()
        if left_s <= 0:
            names = ", ".join(path.name for path in missing)
            raise Malformed(
                f"{missing[0].parent}: {names} did not come within {within_s:.0f} s; see the log of "
                "whose it is"
            )
        try:
            async with asyncio.timeout(min(TELL_EVERY_S, left_s)):
                await appearance(missing[0])
        except TimeoutError:
            log.info("waits_for", files=[path.name for path in missing], left_s=round(left_s))


def _public_key(paths: RunPaths, author: AuthorId) -> bytes:
    path = paths.public_key(author)
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        raise Malformed(f"{path}: no public key; remove it and start {author} anew") from None
    if len(key) != 32:
        raise Malformed(f"{path}: {len(key)} bytes are no public key (32 bytes)")
    return key


async def found(
    paths: RunPaths, name: str, size: int, operators: list[AuthorId], *, with_probe: bool
) -> Genesis:
    """Write the genesis of a new cluster once everyone's public key is there.

    Raises:
        Malformed: a key or a file is wrong, or somebody's key did not come in time.
    """
    manifest, rules = read_manifest(paths.manifest), read_rules(paths.policy)
    agents = swarm_of(size)
    authors = [*(AuthorId(agent) for agent, _ in agents), *operators, ACTUATOR]
    if with_probe:
        authors.append(PROBE)
    await appearances([paths.public_key(author) for author in authors], wait_s(paths))
    keys = {author: _public_key(paths, author) for author in authors}
    genesis = Genesis(
        name=name,
        nonce=os.urandom(32),
        epoch=0,
        n=size,
        f=(size - 1) // 3,
        agents=tuple(Member(agent, role, keys[AuthorId(agent)]) for agent, role in agents),
        operators={operator: keys[operator] for operator in operators},
        actuator=keys[ACTUATOR],
        probe=keys.get(PROBE, b""),
        policy=rules.digest,
        catalogue=catalogue_digest(),
        manifest=manifest.digest,
    )
    objection = genesis_file.objection_to(genesis)
    if objection:
        # Every process would refuse it; nothing is written that would have to be removed first.
        raise Malformed(f"{paths.public_keys}: {objection}; start the run anew")
    genesis_file.write(genesis, paths.genesis)
    _pin(genesis)
    return genesis


def check_key(genesis: Genesis, author: AuthorId, signer: Signer, key_file: Path) -> None:
    """Refuse to speak as ``author`` with a key that nobody would believe.

    Raises:
        Malformed: ``author`` is nobody in ``genesis``, or has another key there.
    """
    pinned = genesis.author_keys().get(author)
    if pinned is None:
        raise Malformed(f"{key_file}: {author} is nobody in cluster {genesis.name}")
    if pinned != signer.public_key:
        raise Malformed(f"{key_file}: not the key of {author} that the genesis pins; put it back")


def trust_folder() -> Path:
    """Where the genesis of every cluster that was founded on this machine is pinned."""
    return platformdirs.user_state_path("incident-commander") / "trust"


def _pin(genesis: Genesis) -> None:
    folder = trust_folder()
    folder.mkdir(parents=True, exist_ok=True)
    genesis_file.write(genesis, folder / f"{genesis.cluster.hex()}.json")


async def constitution(paths: RunPaths) -> tuple[Genesis, Rules, Manifest]:
    """Wait for the genesis, and the rules and the manifest that it pins.

    Raises:
        Malformed: a file does not match the digest that genesis names, or nothing came in time.
    """
    await appearances([paths.genesis], wait_s(paths))
    _keep_to_first(paths)
    return check_constitution(paths.genesis, paths.policy, paths.manifest)


def _keep_to_first(paths: RunPaths) -> None:
    """Where others can change the run's folder, hold on to the genesis that was seen first.

    Raises:
        Malformed: there is another one now.
    """
    if paths.apart is None:
        return
    genesis, kept = genesis_file.read(paths.genesis), paths.apart / "genesis.json"
    if not kept.exists():
        genesis_file.write(genesis, kept)
    elif genesis_file.read(kept) != genesis:
        raise Malformed(f"{paths.genesis}: not the one that {kept} keeps; put the original back")


def check_constitution(
    genesis_path: Path, policy_path: Path, manifest_path: Path
) -> tuple[Genesis, Rules, Manifest]:
    """The constitution in three files, each checked against the digest in genesis.

    Raises:
        Malformed: a file is missing, wrong, or not the one that genesis pins.
    """
    genesis = genesis_file.read(genesis_path)
    return genesis, *check_pins(genesis, policy_path, manifest_path)


def check_pins(genesis: Genesis, policy_path: Path, manifest_path: Path) -> tuple[Rules, Manifest]:
    """The rules and the manifest in two files, checked against the digests in ``genesis``.

    Raises:
        Malformed: a file is missing, wrong, or not the one that genesis pins.
    """
    rules, manifest = read_rules(policy_path), read_manifest(manifest_path)
    for path, found_digest, pinned in (
        (policy_path, rules.digest, genesis.policy),
        (manifest_path, manifest.digest, genesis.manifest),
        (Path("engine/catalogue.py"), catalogue_digest(), genesis.catalogue),
    ):
        if found_digest != pinned:
            raise Malformed(f"{path}: not what the genesis pins; put the original back")
    return rules, manifest
