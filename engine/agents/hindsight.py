"""What earlier attempts of an incident teach: which actions are spent, and which did not hold (pure)."""

from collections.abc import Iterator

from engine.catalogue import tag_of
from engine.council import Attempt, Incident
from engine.telemetry.window import Window
from engine.vocabulary import Action, Generation, OutcomeKind, ServiceName


def spent(incident: Incident, window: Window) -> frozenset[tuple[ServiceName, str]]:
    """Actions that were carried out in earlier attempts, did not mend it, and would not now.

    An action is spent while the run that it left behind is there: doing it again would change
    nothing. When that run has gone since, something new has happened, and it may be done again.
    """
    return frozenset(
        (action.service, tag_of(action))
        for attempt in incident.attempts[:-1]
        for action, left in _done(attempt)
        if left is None or not _is_gone(action.service, left, window)
    )


def did_not_hold(attempt: Attempt, window: Window) -> bool:
    """Whether a run that this attempt's actions left behind has gone again."""
    return any(
        left is not None and _is_gone(action.service, left, window)
        for action, left in _done(attempt)
    )


def _done(attempt: Attempt) -> Iterator[tuple[Action, Generation | None]]:
    """Actions that were done, each with the run that it left behind, where that is known."""
    if attempt.certificate is None:
        return
    for step, action in enumerate(attempt.certificate.plan.actions):
        if attempt.outcomes.get(step) is OutcomeKind.DONE:
            yield action, attempt.generations.get(step)


def _is_gone(service: ServiceName, run: Generation, window: Window) -> bool:
    """Whether the orchestrator says that this run is over; unknown is not gone."""
    status = window.status(service)
    if status is None or status.generation is None:
        return False
    replaced = status.generation.started_ms > run.started_ms
    return replaced or (status.generation == run and not status.alive)
