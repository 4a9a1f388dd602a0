"""Whether a run passes, from what it found out (pure)."""

from chaos.byzantine import PROVABLE
from chaos.harm import Harmed
from chaos.integrity import Integrity
from chaos.measure import RunRecord
from chaos.world import Traitor


def failure_of(record: RunRecord, integrity: Integrity | None) -> str:
    """Why a run does not pass; empty when it does (pure)."""
    if not record.took_effect:
        return "the fault did not take effect"
    if not record.undone:
        return "the fault is still in"
    if integrity is None or not integrity.quiet:
        return "orders were still under way at the end"
    if not integrity.equal:
        return "acknowledged orders, orders in the database and stock taken differ"
    if record.policy != "swarm":
        return ""
    if record.needless_actions:
        return f"{record.needless_actions} needless actions"
    if record.target is None:
        return ""
    if not record.recovered:
        return "not recovered"
    if not record.diagnosis_right:
        return "the cause was not found"
    if record.fault_present_at_recovery:
        return "recovered with the fault still in"
    if not record.certificate_verified:
        return "the certificate does not verify"
    return ""


def wrongly_judged(record: RunRecord, traitor: Traitor | None) -> str:
    """Whether the wrong agents were convicted, in words; empty when all is right (pure)."""
    if record.policy != "swarm":
        return ""
    right = {traitor.agent} if traitor is not None and traitor.kind in PROVABLE else set()
    honest = set(record.convicted) - ({traitor.agent} if traitor is not None else set())
    if honest:
        return f"honest agents were convicted: {', '.join(sorted(honest))}"
    if set(record.convicted) - right:
        return f"{', '.join(record.convicted)} was convicted without proof"
    return f"{', '.join(right)} was not convicted" if right - set(record.convicted) else ""


def still_missing(budget: int | None, whole: int, harmed: Harmed | None) -> str:
    """Whether the swarm ends with less than it began with, in words; empty when it is whole.

    Args:
        budget: faults that it can still bear, None where nothing was done to that.
        whole: as many as it could bear at first.
        harmed: whom the drill killed.
    """
    if budget is not None and budget < whole:
        return f"the fault budget is {budget} of {whole} at the end"
    if harmed is not None and harmed.back_s is None:
        return f"not all of {', '.join(harmed.victims)} came back"
    return ""
