"""What customers want and when: drawn from a seed, whatever the shop answers (pure).

Open loop: a slow shop does not slow its customers down, and latency counts from the moment in
which a customer meant to ask (no coordinated omission).
"""

import random
from collections.abc import Iterator

import msgspec

from chaos.fleet.shop.order import ITEMS, Order


class Visit(msgspec.Struct, frozen=True):
    """One customer's request."""

    after_s: float
    """When it is meant to start, counted from the first one."""
    order: Order | None
    """What he buys; None when he only looks."""
    item: int


def visits(prefix: str, rate: float, checkout_permille: int, seed: int) -> Iterator[Visit]:
    """Visits without end, ``rate`` a second, evenly apart with a jitter of half a gap."""
    chance = random.Random(f"{prefix}:{seed}")
    number = 0
    while True:
        after_s = (number + chance.random() / 2) / rate
        item = chance.randint(1, ITEMS)
        buys = chance.randrange(1000) < checkout_permille
        customer = f"{prefix}-{chance.randrange(1000)}"
        order = Order(f"{prefix}-{number}", item, customer) if buys else None
        yield Visit(after_s, order, item)
        number += 1


def probes(number: int) -> Visit:
    """The SLO probe's visit with that number: five a second, one of them without a purchase."""
    item = 1 + number % ITEMS
    order = None if number % 5 == 2 else Order(f"probe-{number}", item, f"probe-{number % 10}")
    return Visit(number / 5, order, item)
