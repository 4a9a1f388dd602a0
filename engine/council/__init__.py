"""The council: an incident is a fold of the ordered submissions (pure, the same in every agent).

``fold.Council`` applies operations in order; ``authority`` says who may sign what; ``state`` holds
the values; ``deciding`` counts assessments. No clock: time enters as ``Elapsed`` operations only.
"""

from engine.council.fold import Council
from engine.council.state import Attempt, Happening, Incident, IncidentStatus, Proposal

__all__ = ["Attempt", "Council", "Happening", "Incident", "IncidentStatus", "Proposal"]
