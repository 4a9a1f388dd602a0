"""A release that fails requests goes live on a service."""

from chaos.faults.fault import DeployRelease, Effect, Ground, Mark

FAILING_PERMILLE = 200
"""From this share of failed requests on, the release has taken effect."""
MEASURE_AT_MOST = 3
UNDO_AT_MOST = 3
"""A run that somebody restarted meanwhile is another one: look again."""


class Deploy:
    """Took effect: of requests sent straight to the service, at least a fifth fail.

    Present: while the release is the one that is live.
    """

    def __init__(self, fault: DeployRelease) -> None:
        """Deploy the release that ``fault`` names."""
        self._fault = fault

    def mark(self, ground: Ground) -> Mark:
        """The run whose release is about to be replaced."""
        return Mark(ground.generation(self._fault.service))

    async def inject(self, ground: Ground, mark: Mark) -> Mark:
        """Deploy it and measure what it does to requests."""
        await ground.deploy(self._fault.service, self._fault.release)
        for _ in range(MEASURE_AT_MOST):
            failed, asked = await ground.failing(self._fault.service)
            if asked and failed * 1000 >= FAILING_PERMILLE * asked:
                return Mark(mark.generation, ground.monotonic_ns())
        return mark

    async def effect(self, ground: Ground, mark: Mark) -> Effect:
        """Whether it failed requests when it went live, and is still live."""
        took_effect = mark.took_effect_ns > 0
        measured = "a fifth of requests or more fail" if took_effect else "requests do not fail"
        return Effect(took_effect, mark.took_effect_ns, self._live(ground), measured)

    async def undo(self, ground: Ground, mark: Mark) -> None:
        """Deploy the former release again, unless somebody has or does at this moment."""
        for _ in range(UNDO_AT_MOST):
            if not self._live(ground) or mark.generation is None:
                return
            live = ground.generation(self._fault.service)
            await ground.deploy(self._fault.service, mark.generation.release, live)

    def _live(self, ground: Ground) -> bool:
        generation = ground.generation(self._fault.service)
        return generation is not None and generation.release == self._fault.release
