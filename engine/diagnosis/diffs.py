"""What a change changes, read from its diff: behaviour, or only looks (pure).

A refactoring moves words about; what it removes it adds again. So the two sides of a diff are
compared as bags of words, and only what is left over counts. Of that, some things are known to
break services: a limit, time-out or pool that got another value, a guard or a retry that is gone,
a query or a call that came in, a name that nothing else knows. Everything is read as words; nothing
of a diff is ever carried out or passed on.
"""

import re
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

MAX_DIFF = 60_000
MAX_FILES = 200

_WORD = re.compile(r"[A-Za-z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+(?:\.\d+)?")
_NUMBER = re.compile(r"\d+(?:\.\d+)?\Z")
_LOOKS = re.compile(
    r"(?i)(?:\.(?:css|scss|less|md|rst|txt|svg|png|html?|adoc)\Z|(?:\A|/)(?:docs?|tests?|__tests__|testdata|spec|i18n|locales?|theme)(?:/|\.|s?\Z)"
    r"|_test\.|\.test\.|\.spec\.|(?:\A|/)test_|readme|changelog|licen[cs]e|codeowners|\.github/)"
)
_DEPENDENCIES = re.compile(
    r"(?i)(?:\A|/)(?:go\.(?:mod|sum)|package(?:-lock)?\.json|yarn\.lock|pnpm-lock\.yaml|requirements[\w.-]*\.txt|poetry\.lock|pyproject\.toml|pom\.xml|build\.gradle|cargo\.(?:toml|lock)|gemfile(?:\.lock)?)\Z"
)
_LOGGING = re.compile(r"(?i)\b(?:log|logger|logging|print|printf|debug|info|warn|slog|zap)\b")


class Risk(StrEnum):
    """A way in which changes are known to break services."""

    BOUND = "bound"
    """A limit, time-out, size or interval has another value."""
    GUARD = "guard"
    """A check for what may be missing is gone."""
    RETRY = "retry"
    """Waiting, retrying or letting go again works otherwise."""
    QUERY = "query"
    """Data is asked for that was not, or in a loop."""
    TRUST = "trust"
    """Identity, encryption or permission is arranged otherwise."""
    BEHAVIOUR = "behaviour"
    """Something else is done than before; one cannot say what."""


_BOUNDS = frozenset(
    [
        "timeout",
        "deadline",
        "limit",
        "limits",
        "max",
        "min",
        "size",
        "pool",
        "budget",
        "ttl",
        "interval",
        "capacity",
        "threshold",
        "quota",
        "concurrency",
        "workers",
        "replicas",
        "memory",
        "cpu",
        "heap",
        "buffer",
        "batch",
        "rate",
        "window",
        "depth",
        "burst",
        "conns",
        "connections",
        "idle",
        "millisecond",
        "milliseconds",
        "second",
        "seconds",
        "minute",
        "minutes",
        "ms",
    ]
)
_GUARDS = frozenset(
    [
        "nil",
        "null",
        "none",
        "undefined",
        "empty",
        "valid",
        "validate",
        "check",
        "exists",
        "optional",
        "default",
        "ok",
        "recover",
        "catch",
        "rescue",
        "guard",
    ]
)
_RETRIES = frozenset(
    [
        "retry",
        "retries",
        "backoff",
        "jitter",
        "delay",
        "sleep",
        "close",
        "closed",
        "release",
        "unlock",
        "lock",
        "mutex",
        "defer",
        "finally",
        "cancel",
        "rollback",
        "evict",
        "flush",
        "cleanup",
        "free",
        "dispose",
        "semaphore",
        "circuit",
        "breaker",
        "cas",
        "attempt",
        "attempts",
        "base",
    ]
)
_QUERIES = frozenset(
    [
        "select",
        "insert",
        "update",
        "delete",
        "from",
        "where",
        "join",
        "index",
        "migration",
        "migrate",
        "table",
        "column",
        "query",
        "sql",
        "find",
        "scan",
        "fetch",
        "request",
        "http",
        "get",
        "load",
        "list",
    ]
)
_LOOPS = frozenset(["for", "while", "each", "foreach", "range", "map", "loop"])
_TRUST = frozenset(
    [
        "tls",
        "ssl",
        "cert",
        "certificate",
        "cipher",
        "token",
        "auth",
        "oauth",
        "jwt",
        "role",
        "policy",
        "permission",
        "secret",
        "key",
        "ca",
        "verify",
    ]
)


class Reading(NamedTuple):
    """What one diff does."""

    risks: dict[Risk, float]
    """How much of each, 0 and up; empty where it changes no behaviour that one could name."""
    changed: frozenset[str]
    """Words that are on one side more often than on the other."""
    touched: frozenset[str]
    """All its words, its files' names included."""
    cosmetic: bool
    """Only looks, words for people, tests, or patches of libraries."""


def words_of(text: str) -> list[str]:
    """The words of a text, apart at every capital and underscore, in lower case."""
    return [word.lower() for word in _WORD.findall(text[:MAX_DIFF])]


def read_diff(diff: str, files: Iterable[str], summary: str) -> Reading:
    """What a change does, by its diff where there is one, and else by what it says of itself."""
    named = list(files)[:MAX_FILES]
    removed, added = _sides(diff[:MAX_DIFF])
    gone, new = Counter(words_of(removed)), Counter(words_of(added))
    less, more = gone - new, new - gone
    touched = {*gone, *new, *words_of(" ".join(named)), *words_of(summary)}
    cosmetic = bool(named) and all(_LOOKS.search(name) for name in named)
    patched = bool(named) and all(_DEPENDENCIES.search(name) for name in named)
    if cosmetic or patched:
        return Reading({}, frozenset(), frozenset(touched), cosmetic=True)
    if not diff:
        return Reading({Risk.BEHAVIOUR: 0.3}, frozenset(), frozenset(touched), cosmetic=False)
    return Reading(
        _risks(removed, added, less, more),
        frozenset({*less, *more}),
        frozenset(touched),
        cosmetic=False,
    )


def _sides(diff: str) -> tuple[str, str]:
    """The removed and the added lines, each joined; those that only log are left out."""
    removed, added = [], []
    for line in diff.splitlines():
        if line.startswith(("---", "+++")) or _LOGGING.search(line):
            continue
        if line.startswith("-"):
            removed.append(_code(line[1:]))
        elif line.startswith("+"):
            added.append(_code(line[1:]))
    return "\n".join(removed), "\n".join(added)


_COMMENT = re.compile(r"(?:^|\s)(?://|#(?!\w*\{)|--\s).*$")


def _code(line: str) -> str:
    return _COMMENT.sub("", line)


def _risks(removed: str, added: str, less: Counter[str], more: Counter[str]) -> dict[Risk, float]:
    """How much of each risk is in what is left over."""
    net = {*less, *more}
    numbers = sum(bool(_NUMBER.match(word)) for word in net)
    near = {*words_of(removed), *words_of(added)}
    risks: dict[Risk, float] = {}
    if numbers and near & _BOUNDS:
        risks[Risk.BOUND] = 1.0 + 0.5 * bool(net & _BOUNDS)
    elif net & _BOUNDS & set(less):
        risks[Risk.BOUND] = 0.7
    checks_gone = less["if"] + less["nil"] + less["null"] + less["none"] + less["default"]
    if checks_gone > 0 and (set(less) & _GUARDS or less["if"] > 0):
        risks[Risk.GUARD] = 1.5
    let_go = set(less) & _RETRIES
    if let_go:
        risks[Risk.RETRY] = min(1.5, 0.75 * len(let_go))
    if set(more) & _QUERIES:
        in_loop = bool(set(words_of(added)) & _LOOPS)
        risks[Risk.QUERY] = 0.7 + 0.8 * in_loop + 0.5 * ("select" in more or "table" in more)
    if net & _TRUST:
        risks[Risk.TRUST] = 0.6
    left = sum(less.values()) + sum(more.values())
    total = max(1, len(words_of(removed)) + len(words_of(added)))
    if left / total > 0.3 and left > 3:
        risks[Risk.BEHAVIOUR] = 0.5
    return risks
