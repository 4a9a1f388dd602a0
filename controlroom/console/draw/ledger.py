"""The tail of the ledger: what was ordered, batch by batch."""

from collections import Counter
from datetime import tzinfo

from controlroom.console.draw.text import (
    Column,
    Line,
    Role,
    Span,
    clean,
    clock,
    fitting,
    head_line,
    table_line,
)
from engine.stream.state import LedgerRow

_COLUMNS = (
    Column("batch", 7, 9),
    Column("time", 8, 3),
    Column("view", 4, 1, right=True),
    Column("operations", 0, 8),
    Column("chain", 12, 2),
)


def ledger_lines(
    rows: tuple[LedgerRow, ...], width: int, zone: tzinfo | None = None
) -> tuple[Line, list[Line]]:
    """The head and one line a batch, newest last."""
    columns = fitting(_COLUMNS, width, least=24)
    return head_line(columns, width), [
        table_line(
            str(row.sequence_number),
            {
                "batch": Span(f"#{row.sequence_number}"),
                "time": Span(clock(row.at_ms, zone), Role.DIM),
                "view": Span(str(row.view), Role.DIM),
                "operations": Span(_operations(row.operations), _weight(row.operations)),
                "chain": Span(clean(row.chain), Role.DIM),
            },
            columns,
            width,
        )
        for row in rows
    ]


def _weight(operations: tuple[str, ...]) -> Role:
    """The probe's word comes every second: it is there, and stands back."""
    return Role.PLAIN if any(not text.endswith(": probed") for text in operations) else Role.DIM


def _operations(operations: tuple[str, ...]) -> str:
    """``assessed ×2 by detection-1, …``: equal operations of one batch are counted, not repeated."""
    if not operations:
        return "(nothing: a gap that a new leader closed)"
    authors: dict[str, list[str]] = {}
    for operation in operations:
        author, _, tag = operation.partition(": ")
        authors.setdefault(clean(tag), []).append(clean(author))
    said = []
    for tag, whose in authors.items():
        counted = Counter(whose)
        times = f" ×{counted.total()}" if counted.total() > 1 else ""
        said.append(f"{tag}{times} by {', '.join(counted)}")
    return "; ".join(said)
