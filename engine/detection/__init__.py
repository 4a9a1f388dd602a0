"""Detection over a whole system: which of its services broke, from all that it tells (pure).

Metrics (``crowd``), requests (``requests``) and logs (``outcry``) each say how much more likely
"broken" is than habit, in nats, summed while it lasts; ``incidents`` puts together what belongs
together. Judges of single numbers are in ``engine.senses``; what broke is for ``engine.diagnosis``.
"""
