"""A cluster is founded from everyone's own key, and nobody works with files that it does not pin."""

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

from engine import founding
from engine import genesis as genesis_file
from engine.codec import Malformed
from engine.founding import (
    check_constitution,
    check_key,
    constitution,
    found,
    publish_key,
    swarm_of,
)
from engine.genesis import ACTUATOR, PROBE, Genesis
from engine.paths import RunPaths
from engine.policy import DRILL_RULES, Rules, write_rules
from engine.signing import Ed25519Signer
from engine.vocabulary import AuthorId
from tests.court import SHOP, signer_of

OPERATOR = AuthorId("operator")
AGENTS = [AuthorId(agent) for agent, _ in swarm_of(5)]
EVERYONE = [*AGENTS, OPERATOR, ACTUATOR, PROBE]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = RunPaths(tmp_path / "run").make()
    shutil.copyfile(SHOP, made.manifest)
    write_rules(DRILL_RULES, made.policy)
    return made


def publish(paths: RunPaths, *authors: AuthorId) -> None:
    for author in authors:
        publish_key(paths, author, signer_of(author))


async def found_shop(paths: RunPaths) -> Genesis:
    return await found(paths, "shop", 5, [OPERATOR], with_probe=True)


async def test_the_founding_waits_for_the_last_key(paths: RunPaths) -> None:
    publish(paths, *EVERYONE[1:])
    founding_ = asyncio.create_task(found_shop(paths))
    done, _ = await asyncio.wait({founding_}, timeout=0.1)
    assert not done

    publish(paths, EVERYONE[0])

    genesis = await founding_
    assert genesis.author_keys() == {author: signer_of(author).public_key for author in EVERYONE}
    assert (genesis.n, genesis.f, genesis.quorum) == (5, 1, 4)


async def test_what_is_founded_is_pinned_on_this_machine_and_holds(paths: RunPaths) -> None:
    publish(paths, *EVERYONE)

    genesis = await found_shop(paths)

    assert (founding.trust_folder() / f"{genesis.cluster.hex()}.json").is_file()
    found_again, rules, _ = check_constitution(paths.genesis, paths.policy, paths.manifest)
    assert found_again == genesis
    assert rules == DRILL_RULES


async def test_a_key_that_does_not_come_is_named(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(founding, "WAIT_S", 0.05)
    publish(paths, *EVERYONE[1:])

    with pytest.raises(Malformed, match=r"detection-1\.pub did not come within"):
        await found_shop(paths)


@pytest.mark.parametrize("text", ["", "no hexadecimal", "abcd", "00" * 33, "\xff"])
async def test_a_malformed_key_is_refused_by_name(paths: RunPaths, text: str) -> None:
    publish(paths, *EVERYONE)
    paths.public_key(ACTUATOR).write_bytes(text.encode("latin-1"))

    with pytest.raises(Malformed, match=r"actuator\.pub"):
        await found_shop(paths)


async def test_two_who_share_a_key_found_no_cluster(paths: RunPaths) -> None:
    publish(paths, *EVERYONE)
    publish_key(paths, AGENTS[1], signer_of(AGENTS[0]))

    with pytest.raises(Malformed, match="share a key"):
        await found_shop(paths)
    assert not paths.genesis.exists()


async def test_a_policy_or_a_manifest_that_genesis_does_not_pin_is_refused(
    paths: RunPaths,
) -> None:
    publish(paths, *EVERYONE)
    await found_shop(paths)

    write_rules(Rules(), paths.policy)
    with pytest.raises(Malformed, match=r"policy\.toml: not what the genesis pins"):
        check_constitution(paths.genesis, paths.policy, paths.manifest)

    write_rules(DRILL_RULES, paths.policy)
    paths.manifest.write_text(paths.manifest.read_text().replace("5000", "1000"))
    with pytest.raises(Malformed, match=r"fleet\.toml: not what the genesis pins"):
        check_constitution(paths.genesis, paths.policy, paths.manifest)


async def test_nobody_speaks_with_a_key_that_nobody_would_believe(paths: RunPaths) -> None:
    publish(paths, *EVERYONE)
    genesis = await found_shop(paths)
    key = paths.root / "key"

    check_key(genesis, ACTUATOR, signer_of(ACTUATOR), key)

    with pytest.raises(Malformed, match="not the key of actuator"):
        check_key(genesis, ACTUATOR, Ed25519Signer.generate(), key)
    with pytest.raises(Malformed, match="mallory is nobody"):
        check_key(genesis, AuthorId("mallory"), Ed25519Signer.generate(), key)


@pytest.mark.parametrize("size", [-5, 0, 1, 4, 7])
def test_a_swarm_has_every_role_equally_often(size: int) -> None:
    with pytest.raises(ValueError, match="5, 10, 15"):
        swarm_of(size)


def test_agents_have_names_of_their_own() -> None:
    assert len({agent for agent, _ in swarm_of(15)}) == 15


async def test_a_process_with_a_folder_of_its_own_keeps_to_the_genesis_that_it_saw_first(
    paths: RunPaths, tmp_path: Path
) -> None:
    publish(paths, *EVERYONE)
    first = await found_shop(paths)
    shared = RunPaths(paths.root, tmp_path / "own")
    shared.make_private(tmp_path / "own")
    await constitution(shared)

    genesis_file.write(msgspec.structs.replace(first, nonce=bytes(32)), paths.genesis)

    with pytest.raises(Malformed, match=r"not the one that .* keeps; put the original back"):
        await constitution(shared)
    genesis_file.write(first, paths.genesis)
    assert (await constitution(shared))[0] == first
