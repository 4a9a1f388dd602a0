"""A service's process is ended with SIGKILL, and nobody starts it again."""

from chaos.faults.fault import Effect, Ground, KillService, Mark


class Kill:
    """Took effect: the process is gone by signal 9 and connections are refused.

    Present: while no healthy run newer than the killed one is there.
    """

    def __init__(self, fault: KillService) -> None:
        """Kill the service that ``fault`` names."""
        self._service = fault.service

    def mark(self, ground: Ground) -> Mark:
        """The run that is about to be killed."""
        return Mark(ground.generation(self._service))

    async def inject(self, ground: Ground, mark: Mark) -> Mark:
        """Kill it and see that it is gone."""
        killed = await ground.kill(self._service)
        if killed is None:
            return mark
        generation, gone = killed
        return Mark(generation, ground.monotonic_ns() if gone else 0)

    async def effect(self, ground: Ground, mark: Mark) -> Effect:
        """Whether the run that was there died of us, and no healthy one has followed."""
        newer = ground.generation(self._service) != mark.generation
        present = not (newer and await ground.healthy(self._service))
        took_effect = mark.took_effect_ns > 0
        measured = "signal 9, connections refused" if took_effect else "not killed"
        return Effect(took_effect, mark.took_effect_ns, took_effect and present, measured)

    async def undo(self, ground: Ground, mark: Mark) -> None:
        """Start the service again, unless somebody has."""
        if not await ground.healthy(self._service):
            await ground.revive(self._service)
