"""The fleet as its call graph: who is ill, and who suffers from whom."""

from collections.abc import Mapping

from controlroom.console.draw.text import (
    Column,
    Line,
    Role,
    Span,
    clean,
    fitting,
    head_line,
    health_span,
    milliseconds,
    percent,
    table_line,
)
from engine.stream.state import Health, LinkRow, ScreenState, ServiceRow

FAILING_SHARE = 0.01
"""Calls that fail more often than this hurt the caller."""
BROKEN_SHARE = 0.1
HERE = "◆ starts here"

LONGEST_NAME = 24


def fleet_lines(
    state: ScreenState, width: int, *, ailing_first: bool = False
) -> tuple[Line, list[Line]]:
    """The head and one line a service, callers above the services that they alone call.

    Where not all of them have room, ``ailing_first`` brings to the top what is wrong.
    """
    causes = causes_of(state.services, state.links)
    rows = _tree(state)
    if ailing_first:
        rows = sorted((("", name) for _, name in rows), key=lambda row: row[1] not in causes)
    columns = _columns(state, rows, causes, width)
    lines = [
        table_line(caller, _outside_cells(caller, state, causes), columns, width)
        for caller in _outside_callers(state)
    ]
    for prefix, name in rows:
        cells = _service_cells(prefix, state.services[name], causes.get(name, ""))
        lines.append(table_line(name, cells, columns, width))
    return head_line(columns, width), lines


def _columns(
    state: ScreenState, rows: list[tuple[str, str]], causes: Mapping[str, str], width: int
) -> list[Column]:
    """Names take what they need; the last column is there only when it has something to say."""
    names = [prefix + name for prefix, name in rows] + _outside_callers(state)
    columns = [
        Column("service", min(LONGEST_NAME, max(map(len, names), default=9)), 9),
        Column("health", 9, 9),
        Column("calls/s", 7, 3, right=True),
        Column("fail", 6, 6, right=True),
        Column("p95" if _has_percentiles(state) else "mean", 6, 4, right=True),
    ]
    told = [
        _suffering(service, causes.get(name, "")).text for name, service in state.services.items()
    ]
    wanted = max(map(len, told), default=0)
    if wanted:
        columns.append(Column("suffers from", 0, 9))
    return fitting(columns, width, least=min(LONGEST_NAME, wanted))


def _has_percentiles(state: ScreenState) -> bool:
    return any(service.p95_ms for service in state.services.values())


def causes_of(services: Mapping[str, ServiceRow], links: Mapping[str, LinkRow]) -> dict[str, str]:
    """For each ailing service, the one furthest down its calls that ails too; itself where none does.

    This is where failures flow along the calls, as measured; it is not a diagnosis.
    """
    return {
        name: _cause_below(name, services, links, {name})
        for name, service in services.items()
        if _ails(service)
    }


def _cause_below(
    name: str,
    services: Mapping[str, ServiceRow],
    links: Mapping[str, LinkRow],
    seen: set[str],
) -> str:
    below = [
        link
        for link in links.values()
        if link.caller == name
        and link.callee not in seen
        and (callee := services.get(link.callee)) is not None
        and _ails(callee)
    ]
    if not below:
        return name
    worst = max(below, key=lambda link: (link.errors, link.p95_ms, link.callee))
    seen.add(worst.callee)
    return _cause_below(worst.callee, services, links, seen)


def _ails(service: ServiceRow) -> bool:
    return service.health in (Health.WARN, Health.BROKEN)


def _outside_callers(state: ScreenState) -> list[str]:
    return sorted({link.caller for link in state.links.values()} - set(state.services))


def _tree(state: ScreenState) -> list[tuple[str, str]]:
    """Services in the order of calls, each with what draws its branch.

    A service that several call stands below the tree, once, on its own.
    """
    callers: dict[str, list[str]] = {name: [] for name in state.services}
    for link in state.links.values():
        if link.callee in callers and link.caller in state.services:
            callers[link.callee].append(link.caller)
    children: dict[str, list[str]] = {}
    for name, its in callers.items():
        if len(its) == 1 and its[0] != name:
            children.setdefault(its[0], []).append(name)
    entries = {link.callee for link in state.links.values() if link.caller not in state.services}
    roots = [name for name, its in callers.items() if len(its) != 1 or its[0] == name]
    roots.sort(key=lambda name: name not in entries)
    rows: list[tuple[str, str]] = []

    def add(name: str, branch: str, below: str) -> None:
        rows.append((branch, name))
        its = children.get(name, [])
        for child in its:
            last = child == its[-1]
            add(child, below + ("└ " if last else "├ "), below + ("  " if last else "│ "))

    for root in roots:
        add(root, "", "")
    drawn = {name for _, name in rows}
    rows += [("", name) for name in state.services if name not in drawn]  # Called in a circle.
    return rows


def _service_cells(prefix: str, service: ServiceRow, cause: str) -> dict[str, Span]:
    return {
        "service": Span(prefix + clean(service.name), Role.STRONG if cause else Role.PLAIN),
        "health": health_span(service.health),
        "calls/s": _rate(service.rate),
        "fail": _failing(service.errors),
        "p95": _time(service.p95_ms),
        "mean": _time(service.mean_ms),
        "suffers from": _suffering(service, cause),
    }


def _suffering(service: ServiceRow, cause: str) -> Span:
    note = clean(service.note)
    if not cause:
        return Span(note, Role.DIM)
    if cause == service.name:
        return Span(f"◆ {note}" if note else HERE, Role.BROKEN)
    return Span(f"◂ {cause}", Role.WARN)


def _outside_cells(caller: str, state: ScreenState, causes: Mapping[str, str]) -> dict[str, Span]:
    links = [link for link in state.links.values() if link.caller == caller]
    rate = sum(link.rate for link in links)
    failing = sum(link.rate * link.errors for link in links) / rate if rate else 0.0
    suffered = [causes[link.callee] for link in links if link.callee in causes]
    health = Health.OK if rate else Health.UNKNOWN
    if failing >= FAILING_SHARE:
        health = Health.BROKEN if failing >= BROKEN_SHARE else Health.WARN
    return {
        "service": Span(clean(caller), Role.ACCENT),
        "health": health_span(health),
        "calls/s": _rate(rate),
        "fail": _failing(failing),
        "p95": _time(max((link.p95_ms for link in links), default=0.0)),
        "mean": _time(max((link.mean_ms for link in links), default=0.0)),
        "suffers from": Span(
            f"◂ {suffered[0]}" if suffered and health is not Health.OK else "", Role.WARN
        ),
    }


def _rate(rate: float) -> Span:
    if rate == 0:
        return Span("·", Role.DIM)
    return Span(f"{rate:.0f}" if rate >= 100 else f"{rate:.1f}")


def _time(value_ms: float) -> Span:
    return Span(milliseconds(value_ms)) if value_ms else Span("·", Role.DIM)


def _failing(share: float) -> Span:
    if share < FAILING_SHARE:
        return Span("·" if share == 0 else percent(share), Role.DIM)
    return Span(percent(share), Role.BROKEN if share >= BROKEN_SHARE else Role.WARN)
