"""Which permissions a template gives, and which of them another did not give (pure).

A permission is one Allow for one action on one resource to one principal under one condition. What
is new is a broadening; so is a Deny that is gone. References between resources stand as they are in
the template: whether two of them mean the same is CloudFormation's to know, so a reference that
changed counts as new, which errs on the side of showing too much.
"""

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["broadened", "permissions"]

_DOCUMENTS = ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy", "ResourcePolicy")
"""Properties that hold a policy."""
_MANAGED = "ManagedPolicyArns"


def permissions(template: dict[str, Any]) -> set[tuple[str, str]]:
    """Each permission in words, with the logical id of the resource that gives it."""
    found = set()
    for logical, resource in template.get("Resources", {}).items():
        properties = resource.get("Properties")
        if isinstance(properties, dict):
            found |= {(logical, words) for words in _of(str(resource.get("Type", "")), properties)}
    return found


def broadened(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str]]:
    """What ``new`` allows and ``old`` did not: logical id and words, sorted."""
    before, after = permissions(old), permissions(new)
    gained = {entry for entry in after - before if not entry[1].startswith("deny ")}
    freed = {
        (logical, f"no longer denies {words.removeprefix('deny ')}")
        for logical, words in before - after
        # A resource that is gone altogether takes what it allowed with it.
        if words.startswith("deny ") and logical in new.get("Resources", {})
    }
    return sorted(gained | freed)


def _of(kind: str, properties: dict[str, Any]) -> Iterator[str]:
    for name in _DOCUMENTS:
        yield from _document(properties.get(name))
    for policy in _list(properties.get("Policies")):
        if isinstance(policy, dict):
            yield from _document(policy.get("PolicyDocument"))
    for arn in _list(properties.get(_MANAGED)):
        yield f"allow everything in {_text(arn)}"
    if kind == "AWS::Lambda::Permission":
        source = properties.get("SourceArn") or properties.get("SourceAccount") or "anybody there"
        yield (
            f"allow {_text(properties.get('Action'))} to {_text(properties.get('Principal'))} "
            f"from {_text(source)}"
        )
    if kind in ("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"):
        rules = properties.get("SecurityGroupIngress") if kind.endswith("Group") else [properties]
        for rule in _list(rules):
            if isinstance(rule, dict):
                yield _ingress(rule)


def _ingress(rule: dict[str, Any]) -> str:
    source = (
        rule.get("CidrIp")
        or rule.get("CidrIpv6")
        or rule.get("SourceSecurityGroupId")
        or rule.get("SourcePrefixListId")
    )
    ports = f"{_text(rule.get('FromPort', '*'))}-{_text(rule.get('ToPort', '*'))}"
    return f"allow {_text(rule.get('IpProtocol', '-1'))} {ports} in from {_text(source)}"


def _document(document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        return
    for statement in _list(document.get("Statement")):
        if not isinstance(statement, dict):
            continue
        word = "deny" if statement.get("Effect") == "Deny" else "allow"
        excluded = "NotAction" in statement
        actions = _list(statement.get("NotAction" if excluded else "Action"))
        resources = _list(statement.get("Resource") or statement.get("NotResource") or "itself")
        beyond = "all but " if "NotResource" in statement else ""
        principal = statement.get("Principal") or statement.get("NotPrincipal")
        whom = f" to {_text(principal)}" if principal else ""
        condition = statement.get("Condition")
        when = f" if {_text(condition)}" if condition else ""
        for action in actions:
            for resource in resources:
                what = f"{'all but ' if excluded else ''}{_text(action)}"
                yield f"{word} {what} on {beyond}{_text(resource)}{whom}{when}"


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
