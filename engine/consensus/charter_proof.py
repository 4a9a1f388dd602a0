"""How whoever does not follow the log learns of a new epoch: a charter with its quorum (pure).

The chain digest at the end of an epoch is the digest of the charter that follows. So the CHECKPOINTs
by which a quorum of the old epoch settled its last entry prove the charter, to an actuator and to
every other author too.
"""

from engine.consensus.committee import Committee, Refused
from engine.consensus.effects import Began
from engine.consensus.messages import StableCheckpoint
from engine.consensus.view_change import check_stable

__all__ = ["succeeding"]


def succeeding(began: Began, committee: Committee) -> Committee:
    """The committee of the epoch after ``committee``'s, which ``began`` proves.

    Raises:
        Refused: it is of another epoch than the next one, or a quorum did not sign it.
    """
    charter = began.charter
    if charter.cluster != committee.cluster or charter.epoch != committee.epoch + 1:
        raise Refused("charter of another cluster, or not of the next epoch")
    check_stable(StableCheckpoint(*charter.base, began.proof), committee)
    return committee.amended(charter)
