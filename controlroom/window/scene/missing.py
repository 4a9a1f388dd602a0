"""Which messages of a round nobody says he received (pure).

A trace holds what receivers saw: what was lost on its way is in nobody's trace. But replicas say the
same to all, so a message that some received and others did not, after a while, is missing there.
Time is that of the records themselves: a recording and a live engine come to the same answer.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from controlroom.window.timeline import Sent

WAIT_S = 1.5
"""A record that has not come by then will not: agents tell their traces several times a second."""
SOUND_S = 0.5
"""What was said so soon after the first record of all may be the end of something older."""
MOST = 4_096
"""Sayings that are waited for at once; the oldest are given up."""
_TO_ALL = frozenset({"pre-prepare", "prepare", "commit", "view-change", "new-view"})


class Saying(NamedTuple):
    """What one agent said to all others, named by what its records share."""

    sender: str
    kind: str
    view: int
    sequence_number: int


class Lack(NamedTuple):
    """One receiver of whom there is no record."""

    saying: Saying
    receiver: str
    first: Sent
    """The same saying as another one received it."""


class Missing:
    """Waits for the records of everything that is said to all."""

    def __init__(self, members: Mapping[str, int]) -> None:
        """Wait for those of ``members``."""
        self._members = frozenset(members)
        self._open: OrderedDict[Saying, tuple[Sent, set[str]]] = OrderedDict()
        self._closed: OrderedDict[Saying, None] = OrderedDict()
        """What has been waited for: said again, it is not waited for again."""
        self._began_s = float("inf")
        self._now_s = float("-inf")
        self._listening: set[str] = set()
        """Who has been heard to receive anything: of the others no record is to be had."""
        self.given_up = 0
        """Sayings for which there was no room to wait."""

    def heard(self, sent: Sent) -> Saying | None:
        """Take a record in; which saying it belongs to, if that was said to all."""
        event = sent.event
        self._began_s = min(self._began_s, sent.sent_s)
        self._now_s = max(self._now_s, sent.received_s)
        self._listening.add(event.receiver)
        if event.kind not in _TO_ALL:
            return None
        saying = Saying(event.sender, event.kind, event.view, event.sequence_number)
        if saying in self._closed:
            return saying
        known = self._open.get(saying)
        if known is None:
            self._open[saying] = (sent, {event.receiver})
        else:
            first, receivers = known
            receivers.add(event.receiver)
            if sent.sent_s < first.sent_s:
                self._open[saying] = (sent, receivers)
        while len(self._open) > MOST:
            self._open.popitem(last=False)
            self.given_up += 1
        return saying

    def overdue(self) -> list[Lack]:
        """What has been waited for long enough: each once."""
        found: list[Lack] = []
        for saying in list(self._open):
            first, receivers = self._open[saying]
            if first.sent_s > self._now_s - WAIT_S:
                break
            del self._open[saying]
            self._close(saying)
            if first.sent_s < self._began_s + SOUND_S:
                continue
            lacking = (self._members & self._listening) - receivers - {saying.sender}
            found += [Lack(saying, receiver, first) for receiver in sorted(lacking)]
        return found

    def _close(self, saying: Saying) -> None:
        self._closed[saying] = None
        if len(self._closed) > MOST:
            self._closed.popitem(last=False)
