"""Which change is to blame, or that none is (pure).

A change can only be the cause of what came after it went live, on the service that the ranking
suspects; that much is proof by order. Beyond that everything is evidence: what its diff does
(``engine.diagnosis.diffs``), whether that fits the symptoms and their words, how soon trouble
followed. "None" competes with the changes: trouble that comes with the calendar, the machine, or
somebody else's system needs no change of ours, and the last deployment is usually innocent.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log, log1p
from typing import NamedTuple

from engine.diagnosis.diffs import Reading, Risk, read_diff, words_of
from engine.diagnosis.evidence import Ground
from engine.diagnosis.ranking import Ranking, Suspect
from engine.telemetry.context import Change, Page
from engine.telemetry.history import History

NONE = "none"
NOBODY = 1.5
"""Log odds that a change has to earn."""
ORDER_SLACK_S = 5.0
SOON_S = 300.0
"""Trouble usually follows a bad change within minutes."""
LATEST_S = 6 * 3_600.0
FIRST, NEAR, FAR = 2.0, 0.5, -3.0
"""For a change of the best suspect, of one of the next two, of any other."""
FITTING, UNFITTING = 1.2, 0.5
FLAG = -1.0
"""Flags are switched often and by design harmlessly."""
WORD_WEIGHT = 0.5
MOST_FOR_WORDS = 2.0

_SYMPTOMS: Mapping[Risk, frozenset[str]] = {
    Risk.BOUND: frozenset(
        [
            "timeout",
            "timed",
            "deadline",
            "exceeded",
            "exhausted",
            "pool",
            "limit",
            "oom",
            "memory",
            "full",
            "capacity",
            "throttled",
            "queue",
            "canceled",
            "cancelled",
            "wait",
            "waited",
            "quota",
            "slow",
            "heap",
            "killed",
            "backlog",
            "lag",
            "overflow",
        ]
    ),
    Risk.GUARD: frozenset(
        [
            "nil",
            "null",
            "none",
            "panic",
            "pointer",
            "dereference",
            "nullpointer",
            "undefined",
            "exception",
            "segfault",
            "index",
            "key",
            "typeerror",
            "attribute",
        ]
    ),
    Risk.RETRY: frozenset(
        [
            "retry",
            "retries",
            "exhausted",
            "cas",
            "deadlock",
            "lock",
            "leak",
            "storm",
            "conflict",
            "contention",
            "budget",
            "acquire",
            "open",
            "fds",
        ]
    ),
    Risk.QUERY: frozenset(
        [
            "relation",
            "table",
            "column",
            "sql",
            "query",
            "queries",
            "syntax",
            "exist",
            "exists",
            "missing",
            "slow",
            "statement",
            "select",
            "db",
            "schema",
            "duplicate",
        ]
    ),
    Risk.TRUST: frozenset(
        [
            "tls",
            "x509",
            "handshake",
            "certificate",
            "auth",
            "unauthorized",
            "forbidden",
            "denied",
            "permission",
            "token",
            "401",
            "403",
            "signature",
        ]
    ),
}
_OUTSIDE = (
    frozenset({"expired", "expiry", "expire", "notafter"}),
    frozenset(
        {
            "node",
            "pressure",
            "contended",
            "tenant",
            "cotenant",
            "noisy",
            "evicted",
            "evicting",
            "preempted",
            "steal",
            "hypervisor",
        }
    ),
    frozenset({"provider", "region", "zone", "az", "outage", "vendor", "isp"}),
    frozenset({"dns", "nxdomain", "ntp"}),
    frozenset({"provisioned", "throughput", "throttling", "capacity", "surge", "campaign"}),
)
OUTSIDE_WEIGHT = 1.2
_STOP = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "to",
        "for",
        "in",
        "on",
        "and",
        "or",
        "is",
        "not",
        "be",
        "at",
        "by",
        "with",
        "from",
        "it",
        "as",
        "err",
        "error",
        "errors",
        "return",
        "func",
        "self",
        "nil",
        "ctx",
        "string",
        "int",
        "svc",
        "service",
        "request",
        "response",
        "go",
        "py",
        "java",
        "ts",
        "js",
        "const",
        "var",
        "let",
        "def",
        "if",
        "else",
        "new",
        "true",
        "false",
    ]
)


class Blame(NamedTuple):
    """One change, with how much speaks for it."""

    change: Change
    score: float


class Verdict(NamedTuple):
    """Which change is to blame."""

    ref: str | None
    """A change's, the word ``none``, or None where there is nothing to choose from."""
    weighed: tuple[Blame, ...]
    onset_s: float


def blame(history: History, ranking: Ranking, page: Page | None, onset_s: float) -> Verdict:
    """The change to blame for what ``ranking`` found, if one is."""
    if not history.changes or not ranking.suspects:
        return Verdict(None, (), onset_s)
    symptoms = _symptoms(ranking.suspects, page)
    live = _gone_live(history.changes)
    common = Counter(word for _, reading in live for word in reading.touched)
    places = {suspect.service: place for place, suspect in enumerate(ranking.suspects)}
    weighed = sorted(
        (
            Blame(change, _score(change, reading, symptoms, common, places, onset_s))
            for change, reading in live
            if onset_s - LATEST_S <= change.at_s <= onset_s + ORDER_SLACK_S
        ),
        key=lambda each: -each.score,
    )
    bar = NOBODY + _outside(symptoms)
    ref = weighed[0].change.ref if weighed and weighed[0].score >= bar else NONE
    return Verdict(ref, tuple(weighed[:8]), onset_s)


def _gone_live(changes: Sequence[Change]) -> list[tuple[Change, Reading]]:
    """Changes that took effect: deployments with what they carry; bare commits where none are told."""
    carried: dict[str, Change] = {c.ref: c for c in changes if c.kind == "commit"}
    effective = [change for change in changes if change.kind != "commit"]
    if not any(change.ref in carried for change in effective):
        effective = [*effective, *carried.values()]
    found = []
    for change in effective:
        source = carried.get(change.ref, change)
        found.append((change, read_diff(source.diff, source.files, source.summary)))
    return found


def _symptoms(suspects: Sequence[Suspect], page: Page | None) -> Counter[str]:
    """The words in which trouble shows, by how loud it shows there."""
    words: Counter[str] = Counter()
    for suspect in suspects[:3]:
        for reason in suspect.reasons:
            if reason.weight > 0.2 and reason.ground is not Ground.SILENT:
                words.update(set(words_of(reason.signal)))
    if page is not None:
        words.update(set(words_of(page.metric)) | set(words_of(page.summary)))
    return words


def _score(
    change: Change,
    reading: Reading,
    symptoms: Counter[str],
    common: Counter[str],
    places: Mapping[str, int],
    onset_s: float,
) -> float:
    place = places.get(change.service, 99) if change.service else 1
    score = FIRST if place == 0 else NEAR if place <= 2 else FAR
    lag_s = max(0.0, onset_s - change.at_s)
    score -= log1p(lag_s / SOON_S)
    if change.kind in ("flag", "config") and not reading.changed:
        score += FLAG
    if reading.cosmetic:
        return score - 2.0
    for risk, much in reading.risks.items():
        telling = _SYMPTOMS.get(risk, frozenset())
        fits = not telling or bool(telling & symptoms.keys())
        score += much * (FITTING if fits else UNFITTING) if telling else 0.5 * much
    shared = (reading.changed & symptoms.keys()) - _STOP
    for_words = sum(
        WORD_WEIGHT / (1.0 + log(common[word] + 1.0)) for word in shared if not word.isdigit()
    )
    return score + min(MOST_FOR_WORDS, for_words)


def _outside(symptoms: Counter[str]) -> float:
    """How much the symptoms sound like something that no change of ours brings."""
    return sum(OUTSIDE_WEIGHT for words in _OUTSIDE if len(words & symptoms.keys()) >= 1)
