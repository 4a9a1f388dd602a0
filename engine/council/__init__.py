"""The council: an incident is a fold of the ordered submissions (pure, the same in every agent).

``fold.Council`` applies operations in order. ``authority`` says who may sign what; ``docket`` and
``state`` hold the values; each stage of an incident is a module of functions over the docket:
``seeing``, ``planning``, ``deciding`` (counting by ``voting``), ``acting``, ``closing``, and beside
them ``elapsing``, ``commanding`` and ``convicting``. No clock: time enters as ``Elapsed`` only.
"""

from engine.council.fold import Council
from engine.council.state import Attempt, Happening, Incident, IncidentStatus, Proposal

__all__ = ["Attempt", "Council", "Happening", "Incident", "IncidentStatus", "Proposal"]
