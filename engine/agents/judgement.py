"""One brain's answer to a plan (pure)."""

import msgspec

from engine.vocabulary import Evidence, Verdict


class Judgement(msgspec.Struct, frozen=True):
    """Accept, reject or abstain, with its reasons."""

    verdict: Verdict
    score_permille: int
    evidence: tuple[Evidence, ...] = ()
