"""A release goes live that leaks open files: it hurts nobody until there are none left."""

from chaos.faults.deploy import Deploy
from chaos.faults.fault import DeployRelease, Effect, Ground, LeakFiles, Mark

LEAST_GROWTH = 6
"""More open files than connections that come and go would explain, in ``LOOK_S``."""
LOOK_S = 3.0
SETTLE_S = 1.0
"""A new run opens its connections first."""


class Leak:
    """Took effect: with nobody asking but customers, its open files grow by two a second or more.

    Present: while the release is the one that is live.
    """

    def __init__(self, fault: LeakFiles) -> None:
        """Deploy the release that ``fault`` names."""
        self._service = fault.service
        self._deploy = Deploy(DeployRelease(fault.service, fault.release))
        self._release = fault.release

    def mark(self, ground: Ground) -> Mark:
        """The run whose release is about to be replaced."""
        return self._deploy.mark(ground)

    async def inject(self, ground: Ground, mark: Mark) -> Mark:
        """Deploy it and count its open files twice."""
        began_ns = ground.monotonic_ns()
        await ground.deploy(self._service, self._release)
        await ground.wait(SETTLE_S)
        before = ground.open_files(self._service)
        await ground.wait(LOOK_S)
        after = ground.open_files(self._service)
        if before is None or after is None or after - before < LEAST_GROWTH:
            return mark
        # It leaks from its first request on, not from when we had seen enough of it.
        return Mark(mark.generation, began_ns)

    async def effect(self, ground: Ground, mark: Mark) -> Effect:
        """Whether it leaked when it went live, and is still live."""
        found = await self._deploy.effect(ground, mark)
        measured = "its open files grow" if found.took_effect else "its open files do not grow"
        return Effect(found.took_effect, found.took_effect_ns, found.present, measured)

    async def undo(self, ground: Ground, mark: Mark) -> None:
        """Deploy the former release again, unless somebody has."""
        await self._deploy.undo(ground, mark)
