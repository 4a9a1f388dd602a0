"""One ranking out of several agents', of whom some may lie (pure).

Each agent's scores are taken relative to its own best, so that nobody gains by shouting. For each
service the median counts (coordinate-wise median; Yin et al., ICML 2018; compare approximate
agreement, Dolev et al., JACM 1986): it lies between what honest agents said, so ``f`` liars can
neither invent a suspect whom no honest agent suspects nor drop one whom all do. It trims more than
the ``f`` highest and lowest, because an agent that is blind to one kind of telemetry is honest and
as wrong as a liar: one of each would get past a trim of one.
"""

from collections.abc import Mapping, Sequence
from statistics import median


def merged(opinions: Sequence[Mapping[str, float]], f: int) -> dict[str, float]:
    """Score by service, 0 to 1, best first; each opinion is one agent's scores by service.

    An agent without an opinion found nothing: when most did, nothing is found. With fewer than
    ``2 f + 1`` opinions nothing can be said.
    """
    if len(opinions) < 2 * f + 1:
        return {}
    relative = [_relative(opinion) for opinion in opinions]
    if 2 * sum(bool(opinion) for opinion in relative) <= len(relative):
        return {}
    services = sorted({service for opinion in relative for service in opinion})
    scores = {}
    for service in services:
        scores[service] = median(opinion.get(service, 0.0) for opinion in relative)
    return dict(sorted(scores.items(), key=lambda pair: (-pair[1], pair[0])))


def _relative(opinion: Mapping[str, float]) -> dict[str, float]:
    best = max(opinion.values(), default=0.0)
    if not 0.0 < best < float("inf"):
        return {}
    return {service: max(0.0, score) / best for service, score in opinion.items()}
