"""How a series is called, whichever door it comes in by (pure)."""

from engine.telemetry.records import MAX_NAME


class Unusable(ValueError):
    """One record says nothing that can be used; the others of its request may."""


def series_name(name: str, labels: dict[str, str]) -> str:
    """``name{a="b",c="d"}`` with the labels in order: one text for one series.

    Raises:
        Unusable: it is longer than a name may be.
    """
    text = name
    if labels:
        inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        text = f"{name}{{{inner}}}"
    if len(text) > MAX_NAME:
        raise Unusable(f"metric {name[:MAX_NAME]!r}: name and labels are too long")
    return text
