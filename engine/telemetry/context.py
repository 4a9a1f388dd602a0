"""What is known of a system beside its telemetry: what was changed, what paged, what limits it has."""

import msgspec


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
