"""Which evidence belongs to one incident: near in time and near in the topology (pure).

A fault spreads along calls, so evidence within two calls of what is already open is the same
incident while that goes on; about the services that are in it already, until they have been quiet
for a while. Without a topology everything is near. In a storm, when more incidents are open than
anybody could follow, further ones are counted and not opened.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

HOPS = 2
LULL_S, LULL_STEPS = 120.0, 2
"""An incident of which nothing was seen for so long is over for its neighbours."""
QUIET_S, QUIET_STEPS = 300.0, 5
"""And so long for the services that were in it."""
MOST_OPEN = 3


@dataclass
class _Open:
    services: set[str] = field(default_factory=set)
    last_s: float = 0.0


class Incidents:
    """What is open now; ask it whether new evidence opens another."""

    def __init__(self, calls: Iterable[tuple[str, str]], step_s: float) -> None:
        self._lull_s = max(LULL_S, LULL_STEPS * step_s)
        self._quiet_s = max(QUIET_S, QUIET_STEPS * step_s)
        self._near: dict[str, set[str]] = {}
        for caller, callee in calls:
            self.connect(caller, callee)
        self._open: list[_Open] = []
        self.joined = 0
        """Evidence that belonged to an incident that was open."""
        self.held_back = 0
        """Evidence that would have opened one more in a storm."""

    def connect(self, caller: str, callee: str) -> None:
        """One calls the other: a fault of either is felt by both."""
        self._near.setdefault(caller, set()).add(callee)
        self._near.setdefault(callee, set()).add(caller)

    def opens(self, at_s: float, service: str) -> bool:
        """Whether evidence about ``service`` at this time opens a new incident."""
        self._open = [one for one in self._open if at_s - one.last_s <= self._quiet_s]
        around = self._around(service)
        for one in self._open:
            goes_on = at_s - one.last_s <= self._lull_s
            near = not self._near or bool(around & one.services)
            if service in one.services or (goes_on and near):
                one.services.add(service)
                one.last_s = at_s
                self.joined += 1
                return False
        if len(self._open) >= MOST_OPEN:
            self.held_back += 1
            return False
        self._open.append(_Open({service}, at_s))
        return True

    def _around(self, service: str) -> set[str]:
        reached = {service}
        for _ in range(HOPS):
            reached |= {near for name in reached for near in self._near.get(name, ())}
        return reached
