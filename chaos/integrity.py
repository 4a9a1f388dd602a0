"""Whether what customers were told is what the database holds (pure).

A customer's log says which orders he asked for and what he was told.
"""

from collections.abc import Iterable

import msgspec


class OrderNote(msgspec.Struct, frozen=True):
    """One line of a customer's log."""

    order: str
    told: str
    """``asked``, ``acknowledged``, ``declined`` or ``given-up``."""


class Integrity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counts of one look, all in one snapshot of the database."""

    orders_acknowledged: int
    orders_lost: int
    """Acknowledged to a customer and not confirmed in the database: must be 0 at any time."""
    orders_unsettled: int
    """Asked for, and the customer does not know yet."""
    orders_confirmed: int
    orders_pending: int
    reserved: int
    charged: int
    stock_taken: int
    unreserved: int
    """Confirmed without a reservation of that item: must be 0 at any time."""

    @property
    def sound(self) -> bool:
        """What holds at any time, under load and under faults too."""
        return (
            self.orders_lost == 0
            and self.unreserved == 0
            and self.reserved == self.stock_taken
            and self.orders_confirmed <= self.reserved
        )

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way any more."""
        return self.orders_unsettled == 0 and self.orders_pending == 0

    @property
    def equal(self) -> bool:
        """What holds once it is quiet: acknowledged = confirmed = reserved = taken = charged."""
        counts = {self.orders_acknowledged, self.orders_confirmed, self.reserved}
        return self.sound and len(counts | {self.stock_taken, self.charged}) == 1


_decoder = msgspec.json.Decoder(OrderNote)


def told(lines: Iterable[bytes]) -> tuple[set[str], set[str]]:
    """Orders that were acknowledged, and those that their customer still wonders about (pure)."""
    acknowledged: set[str] = set()
    wondering: set[str] = set()
    for line in lines:
        try:
            note = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if note.told == "asked":
            wondering.add(note.order)
        else:
            wondering.discard(note.order)
        if note.told == "acknowledged":
            acknowledged.add(note.order)
    return acknowledged, wondering
