"""The emulator's own process: ``python -m infra.localaws.process FOLDER PORT NAME [keep]``.

Everything it listens on is loopback, everything it writes lies below FOLDER. The settings are read
by ministack when it is imported, so they are set first.
"""

import os
import sys
from pathlib import Path

from infra.environments import LOCAL_ACCOUNT

__all__ = ["main", "settings"]


def settings(folder: Path, port: int, name: str) -> dict[str, str]:
    """The environment that ministack reads; its health page gives ``name`` back."""
    return {
        # Its own default is every interface.
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost",
        "GATEWAY_PORT": str(port),
        "MINISTACK_EDITION": name,
        "MINISTACK_ACCOUNT_ID": LOCAL_ACCOUNT,
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder / "tmp"),
        # Two doors that nobody here needs.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # No Docker daemon of this machine takes part: tasks are processes of ours.
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def detach() -> None:
    """Go on as a process that nobody has to wait for, and tell its number."""
    child = os.fork()
    if child:
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os._exit(0)
    # Nobody reads the pipe any more; the log is where the errors go already.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def main(folder: Path, port: int, name: str) -> None:
    """Be the emulator until SIGTERM."""
    for variable in [variable for variable in os.environ if variable.startswith("AWS_")]:
        # What belongs to a real account must not reach the Lambdas and tasks that run in here.
        del os.environ[variable]
    os.environ.update(settings(folder, port, name))
    for part in ("s3", "state", "tmp"):
        (folder / part).mkdir(mode=0o700, exist_ok=True)

    from ministack.app import main as serve

    from infra.localaws import documents, provisioners, seam, volumes
    from infra.localaws.addresses import Addresses
    from infra.localaws.docker import install_docker

    provisioners.install()
    volumes.install(folder / "volumes")
    documents.install()
    seam.keep_services_running()
    launcher = install_docker(folder / "tasks", Addresses(port))
    sys.argv = ["ministack"]
    try:
        serve()
    finally:
        launcher.end_all()


if __name__ == "__main__":
    if "keep" in sys.argv[4:]:
        detach()
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
