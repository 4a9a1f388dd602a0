"""How much better "off its habit" explains counts than habit does (pure)."""

from collections.abc import Sequence
from math import exp, lgamma

MOST_HABIT_WEIGHT = 300.0
"""However long a habit was watched, it weighs as this many requests at most.

Requests of one machine do not fail independently: a burst is likelier than the binomial law says.
"""
LEAST_HABIT_SHARE = 0.003


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


def softmax(log_weights: Sequence[float]) -> list[float]:
    """Probabilities in the ratio of ``exp`` of the weights."""
    top = max(log_weights)
    weights = [exp(weight - top) for weight in log_weights]
    total = sum(weights)
    return [weight / total for weight in weights]
