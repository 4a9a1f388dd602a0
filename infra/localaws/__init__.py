"""AWS on loopback: the emulator ``ministack``, what it lacks, and a launcher for ECS tasks.

``LocalAws`` is all that the rest of the program needs of it::

    async with LocalAws(folder) as local:
        subprocess.run([...], env={**os.environ, **local.environment()})
"""

from infra.localaws.local import (
    LocalAws,
    LocalAwsFailed,
    Running,
    end_local_aws,
    find_local_aws,
    start_local_aws,
)

__all__ = [
    "LocalAws",
    "LocalAwsFailed",
    "Running",
    "end_local_aws",
    "find_local_aws",
    "start_local_aws",
]
