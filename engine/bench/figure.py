"""What a benchmark says of one thing it measured."""

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One measured figure and what it should be."""

    name: str
    value: float
    unit: str
    aim: float
    """0 where none is stated: such a figure stands beside the others."""
    better: str
    """``lower`` or ``higher``."""
    holds: bool
    beside: dict[str, float]
    """The spread and the number of runs, and what it is to be compared with."""


def table(figures: list[Figure]) -> str:
    """The figures as a table, each with its aim and whether it holds."""
    lines = ["| figure | value | aim | holds | beside |", "| --- | --- | --- | --- | --- |"]
    for row in figures:
        sign = "≤" if row.better == "lower" else "≥"
        verdict = ("✓ yes" if row.holds else "✖ no") if row.aim else "–"
        beside = ", ".join(f"{name} {value:g}" for name, value in row.beside.items())
        aim = f"{sign} {row.aim:g}" if row.aim else "–"
        lines.append(f"| {row.name} | {row.value:g} {row.unit} | {aim} | {verdict} | {beside} |")
    return "\n".join(lines)
