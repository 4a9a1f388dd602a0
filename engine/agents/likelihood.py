"""The statistics that brains share (pure): how much better "off its habit" explains what was seen."""

from math import exp, log

import msgspec

from engine.vocabulary import Evidence, Verdict


class Judgement(msgspec.Struct, frozen=True):
    """One brain's answer to a plan, with its reasons."""

    verdict: Verdict
    score_permille: int
    evidence: tuple[Evidence, ...] = ()


def log_silence_factor(expected: float, spread: float = 8.0) -> float:
    """Natural log of how much likelier no event at all is when its source has stopped.

    ``expected`` events come Poisson-like with a rate that varies (Gamma of shape ``spread``).
    """
    return spread * log(1.0 + expected / spread) if expected > 0 else 0.0


def permille_from_log_odds(log_odds: float) -> int:
    """Probability in thousandths, never quite certain: 1 to 999."""
    probability = 1.0 / (1.0 + exp(-max(-30.0, min(30.0, log_odds))))
    return max(1, min(999, round(1_000 * probability)))


def softmax(log_weights: list[float]) -> list[float]:
    """Probabilities in the ratio of ``exp`` of the weights."""
    top = max(log_weights)
    weights = [exp(weight - top) for weight in log_weights]
    total = sum(weights)
    return [weight / total for weight in weights]


def surely_greater(bad: int, total: int, than_bad: int, than_total: int, margin: float) -> bool:
    """Whether one share is above another by ``margin`` with 99 % (normal approximation, smoothed)."""
    if total <= 0 or than_total <= 0:
        return False
    first, second = (bad + 0.5) / (total + 1.0), (than_bad + 0.5) / (than_total + 1.0)
    variance = first * (1 - first) / (total + 1.0) + second * (1 - second) / (than_total + 1.0)
    return bool(first - second - margin > 2.33 * variance**0.5)
