"""The launcher by itself: images, mount points, and what it forgets."""

from pathlib import Path

import pytest

from infra.localaws.addresses import Addresses
from infra.localaws.launcher import (
    KEPT_AFTER_END,
    Launcher,
    NotFound,
    UnknownImage,
    Volumes,
    program_of,
)
from infra.localaws.volumes import folder_of


def test_an_image_is_known_by_its_repository_whatever_its_tag() -> None:
    assert program_of("incident-commander:local") == program_of(
        "registry.example/team/incident-commander@sha256:0"
    )
    assert program_of("shell") == ()
    with pytest.raises(UnknownImage, match="here there are only"):
        program_of("postgres:16")


def test_a_mount_point_gives_way_to_its_folder_and_the_more_exact_one_wins(tmp_path: Path) -> None:
    run, own = tmp_path / "run", tmp_path / "own"
    volumes = Volumes([f"{run}:/run:rw", f"{own}:/run/agents/a:rw"])

    assert volumes.here("/run") == str(run)
    assert volumes.here("/run/agents/a/key") == f"{own}/key"
    assert volumes.here("/runner") == "/runner"
    assert volumes.here("--flag") == "--flag"
    assert run.is_dir()


@pytest.mark.parametrize("system", ["..", "a/b", "a:b", "."])
def test_a_volume_cannot_name_its_way_out(tmp_path: Path, system: str) -> None:
    assert folder_of({"efsVolumeConfiguration": {"fileSystemId": system}}, tmp_path, str) is None


def test_a_root_directory_cannot_climb(tmp_path: Path) -> None:
    volume = {"EFSVolumeConfiguration": {"FilesystemId": "fs-1", "RootDirectory": "/a/../../b"}}

    assert folder_of(volume, tmp_path, str) is None
    assert folder_of({"name": "scratch"}, tmp_path, str) is None


def test_two_access_points_with_one_path_are_two_doors_to_one_folder(tmp_path: Path) -> None:
    paths = {"fsap-1": "/run", "fsap-2": "/run", "fsap-3": "/own/engine", "fsap-4": "/../up"}

    def folder(point: str) -> Path | None:
        settings = {"fileSystemId": "fs-1", "authorizationConfig": {"accessPointId": point}}
        return folder_of({"efsVolumeConfiguration": settings}, tmp_path, paths.__getitem__)

    assert folder("fsap-1") == folder("fsap-2") == tmp_path / "fs-1" / "run"
    assert folder("fsap-3") == tmp_path / "fs-1" / "own" / "engine"
    assert folder("fsap-4") is None


def test_a_task_has_an_address_of_loopback_and_names_lead_to_those_of_others() -> None:
    net, other = Addresses(40_001), Addresses(40_002)

    own = net.here("0.0.0.0:4222", "bus-1")
    named = net.here(
        "nats://bus-1.ic-dev.internal:4222,nats://bus-2.ic-dev.internal:4222", "engine"
    )

    assert own == f"{net.of('bus-1')}:4222"
    assert own.startswith("127.156.65.")
    assert named == f"nats://{own},nats://{net.of('bus-2')}:4222"
    assert other.of("bus-1") != net.of("bus-1")
    for word in ("10.0.0.0/8", "0.0.0.0.example", "a.b.c.internal", "x.internal", "127.0.0.1:80"):
        assert net.here(word, "engine") == word


def test_a_process_ends_with_its_code_and_its_words_are_kept(tmp_path: Path) -> None:
    container = Launcher(tmp_path, Addresses(4566)).run(
        "shell", ["sh", "-c", "echo one; echo two; exit 3"]
    )

    assert container.wait() == {"StatusCode": 3}
    assert container.status == "exited"
    assert container.logs(tail=1) == b"two\n"
    pieces = container.logs(stream=True, follow=True)
    assert not isinstance(pieces, bytes)
    assert b"".join(pieces) == b"one\ntwo\n"


def test_a_killed_process_counts_as_docker_counts_it(tmp_path: Path) -> None:
    container = Launcher(tmp_path, Addresses(4566)).run("shell", ["sleep", "600"])

    container.stop(timeout=5)

    assert container.wait() == {"StatusCode": 128 + 15}


def test_what_runs_is_not_removed_unless_it_must(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, Addresses(4566))
    container = launcher.run("shell", ["sleep", "600"], name="one")

    with pytest.raises(RuntimeError, match="one is running"):
        container.remove()
    assert launcher.get("one") is launcher.get(container.id)
    container.remove(force=True)

    with pytest.raises(NotFound):
        launcher.get("one")
    assert container.status == "exited"


def test_a_crash_loop_fills_nothing(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, Addresses(4566))
    for _ in range(KEPT_AFTER_END + 8):
        launcher.run("shell", ["true"]).wait()
    launcher.run("shell", ["true"]).wait()

    assert len(launcher.list()) <= KEPT_AFTER_END + 1


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such-program"):
        Launcher(tmp_path, Addresses(4566)).run("shell", ["no-such-program"])
