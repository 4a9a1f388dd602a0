"""The promise to users, over a recording: how fast its requests burn the error budget (pure).

A request is a span without a parent, asked of the service that it entered; it is good when it did not
fail and was no slower than the objective allows. No recording says what was promised to its users,
so nothing is judged here unless an objective is declared for the replay.
"""

from engine.senses.burn_rate import BurnRate
from engine.telemetry.records import Span
from engine.topology import Objective

BURNING = "error budget"
MOST_ENTRIES = 200
"""Services that are entered from outside and watched at most: a budget is some 70 kB."""


class Promises:
    """The error budget of each service that is entered from outside."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._budgets: dict[str, BurnRate] = {}
        self.dropped = 0
        """Requests of services beyond ``MOST_ENTRIES``."""

    def add(self, span: Span) -> None:
        """Count one request; spans come in the order of their ends."""
        if span.parent_id:
            return
        budget = self._budgets.get(span.service)
        if budget is None:
            if len(self._budgets) >= MOST_ENTRIES:
                self.dropped += 1
                return
            budget = self._budgets[span.service] = BurnRate(self._objective.availability_permille)
        is_bad = span.error or span.duration_ms > self._objective.latency_ms
        budget.add(span.end_s, int(not is_bad), int(is_bad))

    def paging(self) -> list[tuple[str, float]]:
        """Services whose budget burns so fast that somebody is woken, with the burn rate."""
        found = []
        for service, budget in self._budgets.items():
            pages = [burning.burn for burning in budget.burning() if burning.rule.page]
            if pages:
                found.append((service, pages[0]))
        return found
