"""What any system sends: metric samples, log events and spans, and the changes made to it (pure).

The shop's own observations (``engine.telemetry.samples``) are counters of known links; these are
the general case, as recordings hold them and as the doors for other systems bring them. Names in
them are data: nothing here decides what a name means.
"""

import msgspec


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One metric point."""

    at_s: float
    """Unix seconds."""
    service: str
    metric: str
    value: float


class LogEvent(msgspec.Struct, frozen=True, gc=False):
    """One log line, raw: only its template goes any further (``engine.telemetry.templates``)."""

    at_s: float
    service: str
    severity: str
    body: str
    trace_id: str = ""


class Span(msgspec.Struct, frozen=True, gc=False):
    """One finished piece of work of a service, part of a trace."""

    begin_s: float
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty at the root of a trace."""
    duration_ms: float
    error: bool
    detail: str = ""
    """What the span says of its error."""

    @property
    def at_s(self) -> float:
        """When it ended: the first moment at which anybody can know of it."""
        return self.begin_s + self.duration_ms / 1_000


Point = Sample | LogEvent | Span


class Change(msgspec.Struct, frozen=True):
    """Something that somebody changed: a deployment, a setting, a flag or a commit."""

    at_s: float
    kind: str
    """``deploy``, ``config``, ``flag``, ``commit`` or another word of the source's."""
    ref: str
    """What the source calls it: a commit's hash, a flag's name, a release."""
    service: str = ""
    """Empty where the source does not say whom it concerns."""
    summary: str = ""
    files: tuple[str, ...] = ()
    diff: str = ""


class Page(msgspec.Struct, frozen=True):
    """An alert that went off outside of us, for which an answer is wanted."""

    at_s: float
    service: str
    metric: str
    summary: str = ""


class Limit(msgspec.Struct, frozen=True):
    """A value of a metric that must not be passed."""

    service: str
    metric: str
    limit: float
    above: bool = True
    """Whether it is above the limit, else below it, that the metric must not go."""
