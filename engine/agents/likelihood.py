"""The statistics that brains share (pure): how much better "off its habit" explains what was seen."""

from math import exp, lgamma, log

import msgspec

from engine.vocabulary import Evidence, Verdict

MOST_HABIT_WEIGHT = 300.0
"""However long a habit was watched, it weighs as this many requests at most.

Requests of one machine do not fail independently: a burst is likelier than the binomial law says.
"""
LEAST_HABIT_SHARE = 0.003


class Judgement(msgspec.Struct, frozen=True):
    """One brain's answer to a plan, with its reasons."""

    verdict: Verdict
    score_permille: int
    evidence: tuple[Evidence, ...] = ()


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def log_bayes_factor(bad: int, total: int, habit_share: float, habit_weight: float) -> float:
    """Natural log of how much likelier ``bad`` of ``total`` is under a new share than under habit.

    Beta-binomial against beta-binomial (Jeffreys 1961, Kass & Raftery 1995): habit is a Beta
    distribution of the learnt mean and of bounded weight, the new share is uniform. 0 or less
    when the share is not above its habit.
    """
    if total <= 0 or bad <= 0 or bad / total <= habit_share:
        return 0.0
    weight = min(habit_weight, MOST_HABIT_WEIGHT)
    a = max(habit_share, LEAST_HABIT_SHARE) * weight
    b = max(weight - a, 1.0)
    habit = _log_beta(bad + a, total - bad + b) - _log_beta(a, b)
    new = _log_beta(bad + 1.0, total - bad + 1.0)
    return new - habit


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
