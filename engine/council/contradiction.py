"""What no honest agent says twice in two ways, as proof that anyone can check (pure).

The core of consensus knows nothing of proposals; ``contradiction`` is the predicate that the council
hands to it, and it decides with the two signed submissions alone.
"""

from engine.vocabulary import AgentId, Assessed, Convicted, Submission

DOUBLE_ASSESSMENT = "double-assessment"
MOST_REMEMBERED = 256
"""Newest submissions with assessments kept by agent: some fifty incidents' worth."""


def contradiction(first: Submission, second: Submission) -> str:
    """The kind of lie that one author's two submissions prove; empty when they prove none."""
    if first.author != second.author:
        return ""
    for one in _assessments(first):
        for other in _assessments(second):
            if one.proposal == other.proposal and one != other:
                return DOUBLE_ASSESSMENT
    return ""


def _assessments(submission: Submission) -> list[Assessed]:
    return [it for it in submission.operations if isinstance(it, Assessed)]


class Memory:
    """The newest signed assessments of each agent, to hold against it what it says later."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self._heard: dict[AgentId, dict[bytes, Submission]] = {}

    def forget(self, agent: AgentId) -> None:
        """Hold nothing against an agent that has another key from now on."""
        self._heard.pop(agent, None)

    def hear(self, submission: Submission, signed: bytes) -> Convicted | None:
        """The proof that ``submission`` makes with an earlier one of its author, or in itself."""
        if not _assessments(submission):
            return None
        agent = AgentId(submission.author)
        kept = self._heard.setdefault(agent, {})
        for frame, earlier in [*kept.items(), (signed, submission)]:
            kind = contradiction(earlier, submission)
            if kind:
                return Convicted(agent, kind, *sorted((frame, signed)))
        kept[signed] = submission
        if len(kept) > MOST_REMEMBERED:
            del kept[next(iter(kept))]
        return None
