"""What the rule packs found in an application, from the report that lies beside every assembly."""

from pathlib import Path

import msgspec

from engine.codec import Malformed

__all__ = ["Finding", "read_findings"]


class Finding(msgspec.Struct, frozen=True):
    """One rule's objection to one construct."""

    rule: str
    severity: str
    construct: str
    what: str


class _Construct(msgspec.Struct, rename="camel"):
    construct_path: str = ""


class _Violation(msgspec.Struct, rename="camel"):
    rule_name: str
    description: str
    severity: str = ""
    violating_constructs: list[_Construct] = []


class _Plugin(msgspec.Struct, rename="camel"):
    plugin_name: str
    violations: list[_Violation] = []


class _Report(msgspec.Struct, rename="camel"):
    plugin_reports: list[_Plugin] = []


def read_findings(assembly: Path) -> list[Finding]:
    """Every objection that is open in ``assembly``; empty when there is none.

    Raises:
        Malformed: the report is missing or is none; an assembly without a report proves nothing.
    """
    path = assembly / "validation-report.json"
    try:
        report = msgspec.json.decode(path.read_bytes(), type=_Report)
    except OSError as error:
        raise Malformed(f"{path}: {error.strerror}; synthesise again") from None
    except msgspec.DecodeError as error:
        raise Malformed(f"{path}: {error}; synthesise again") from None
    return [
        Finding(
            violation.rule_name, violation.severity, place.construct_path, violation.description
        )
        for plugin in report.plugin_reports
        for violation in plugin.violations
        for place in violation.violating_constructs or [_Construct()]
    ]
