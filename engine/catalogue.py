"""The catalogue of typed actions: what each may do, what it risks, and what undoes it (pure).

Nothing outside this catalogue can be done at all. Risk, undo and blast radius of a plan are not
its proposer's opinion: they follow from the actions and the manifest, and ``objection_to`` refuses
a plan that says otherwise.
"""

from typing import assert_never

import msgspec

from engine.codec import digest_of, encode
from engine.topology import Manifest
from engine.vocabulary import (
    Action,
    Deploy,
    Digest,
    Hypothesis,
    Plan,
    RestartService,
    Risk,
    RollBack,
    ServiceName,
)


class Rule(msgspec.Struct, frozen=True):
    """What the catalogue says of one kind of action."""

    action: str
    risk: Risk
    risk_if_stateful: Risk
    undo: str
    """Which action undoes it, or ``none``: declared, never just absent."""
    proposable: bool
    """Whether a plan may start with it; ``deploy`` exists as an undo only."""


RULES: tuple[Rule, ...] = (
    # A stateless service loses requests in flight at worst, and those are failing already.
    Rule("restart-service", Risk.LOW, Risk.HIGH, undo="none", proposable=True),
    # Another release goes live: reversible, but it changes behaviour for all callers.
    Rule("roll-back", Risk.MEDIUM, Risk.HIGH, undo="deploy", proposable=True),
    Rule("deploy", Risk.MEDIUM, Risk.HIGH, undo="none", proposable=False),
)
MAX_ACTIONS_PER_PLAN = 4

_RANK = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 2}


def catalogue_digest() -> Digest:
    """What genesis pins: the digest of all rules."""
    return digest_of("catalogue", encode(RULES), MAX_ACTIONS_PER_PLAN.to_bytes(2, "big"))


def tag_of(action: Action) -> str:
    """The action's name on the wire, for instance ``restart-service``."""
    return str(action.__struct_config__.tag)


def rule_of(action: Action) -> Rule:
    """What the catalogue says of ``action``."""
    return next(rule for rule in RULES if rule.action == tag_of(action))


def risk_of(actions: tuple[Action, ...], manifest: Manifest) -> Risk:
    """The highest risk among ``actions``; changing several services is high."""
    if len({action.service for action in actions}) > 1:
        return Risk.HIGH
    risks = [_risk_of_one(action, manifest) for action in actions]
    return max(risks, key=_RANK.__getitem__, default=Risk.LOW)


def _risk_of_one(action: Action, manifest: Manifest) -> Risk:
    rule, spec = rule_of(action), manifest.spec(action.service)
    return rule.risk_if_stateful if spec is None or spec.stateful else rule.risk


def undo_of(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """What undoes ``actions``, last first; nothing for those whose undo is declared none."""
    undo: list[Action] = []
    for action in reversed(actions):
        match action:
            case RollBack():
                undo.append(Deploy(action.service, action.generation.release))
            case RestartService() | Deploy():
                pass
            case _:
                assert_never(action)
    return tuple(undo)


def blast_radius_of(actions: tuple[Action, ...], manifest: Manifest) -> tuple[ServiceName, ...]:
    """The services acted on and all that reach them, in the manifest's order."""
    touched = {action.service for action in actions}
    for action in actions:
        touched.update(manifest.callers_of(action.service))
    return tuple(service.name for service in manifest.service if service.name in touched)


def plan(
    actions: tuple[Action, ...], hypothesis: Hypothesis, manifest: Manifest, not_after_ms: int
) -> Plan:
    """A plan whose undo, risk and blast radius are what the catalogue says they are."""
    return Plan(
        actions=actions,
        undo=undo_of(actions),
        hypothesis=hypothesis,
        blast_radius=blast_radius_of(actions, manifest),
        risk=risk_of(actions, manifest),
        not_after_ms=not_after_ms,
    )


def objection_to(proposed: Plan, manifest: Manifest) -> str:
    """Why the catalogue refuses a plan; empty when it does not.

    Everything that can be checked is checked here, the same by every agent and by the actuator.
    """
    if not 1 <= len(proposed.actions) <= MAX_ACTIONS_PER_PLAN:
        return f"has {len(proposed.actions)} actions, not 1 to {MAX_ACTIONS_PER_PLAN}"
    for action in proposed.actions:
        spec = manifest.spec(action.service)
        if spec is None:
            return "acts on a service that is not in the manifest"
        if not rule_of(action).proposable:
            return f"would {tag_of(action)}, which may only undo something"
        if isinstance(action, RollBack) and (
            spec.kind != "http" or action.to_release == action.generation.release
        ):
            return "rolls back to where it is, or a service that has no releases of ours"
    expected = plan(proposed.actions, proposed.hypothesis, manifest, proposed.not_after_ms)
    if proposed.undo != expected.undo:
        return "has another undo than the catalogue declares"
    if proposed.risk is not expected.risk:
        return "has another risk than the catalogue says"
    if proposed.blast_radius != expected.blast_radius:
        return "has another blast radius than the call graph says"
    if proposed.hypothesis.service not in {action.service for action in proposed.actions}:
        return "does not act on the service that it suspects"
    return ""
