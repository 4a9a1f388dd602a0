"""What screens see of the engine (pure): the council's fold, telemetry, probe and swarm as rows.

``state.Projection`` puts it together; ``story`` keeps timelines, ``fleet``, ``swarm`` and
``incident`` make rows, ``probe`` keeps the SLO's history.
"""

from engine.projection.state import Projection
from engine.wording import describe

__all__ = ["Projection", "describe"]
