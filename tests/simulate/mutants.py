"""Consensus broken on purpose, one line at a time, and what has to notice.

A mutant rewrites the source of one function and gives the running function the new code, wherever
it was imported. ``killer`` is a scenario by name, or a number of storms.
"""

import inspect
import textwrap
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from types import FunctionType

import msgspec

from engine.charter import Changes
from engine.consensus import charter_proof, digests, restore, view_change
from engine.consensus.catch_up import CatchUp
from engine.consensus.checkpoint import Checkpoints
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs
from engine.consensus.execution import Execution
from engine.consensus.log import Log
from engine.consensus.messages import NewView, Stable, Vote
from engine.consensus.ordering import Ordering
from engine.consensus.replica import Replica
from engine.consensus.simulate.storm import Storm
from engine.consensus.state import State
from engine.consensus.succession import Succession
from tests.court import AGENTS
from tests.simulate import test_attacks as attacks
from tests.simulate import test_scenarios_clients as clients
from tests.simulate import test_scenarios_epochs as epochs
from tests.simulate import test_scenarios_faults as faults
from tests.simulate import test_scenarios_leader as leader
from tests.simulate import test_scenarios_view_change as views
from tests.simulate.stage import Stage
from tests.unit import test_charter as charters
from tests.unit.consensus import test_bounds as bounds
from tests.unit.consensus import test_epochs as logs

Killer = Callable[[], object]
SEEDS = 40
"""Most storms that may pass before a mutant that only they can find is found."""


class Mutant(msgspec.Struct, frozen=True):
    """One change to one function."""

    name: str
    target: Callable[..., object]
    old: str
    new: str
    killer: Killer


@contextmanager
def applied(mutant: Mutant) -> Generator[None]:
    """Have the mutant instead of the function while this lasts."""
    function = mutant.target
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function)).removeprefix("@property\n")
    assert source.count(mutant.old) == 1, f"{mutant.name}: the line to change is not there once"
    scope = dict(function.__globals__)
    exec(compile(source.replace(mutant.old, mutant.new), mutant.name, "exec"), scope)
    changed = scope[function.__name__]
    assert isinstance(changed, FunctionType)
    original, function.__code__ = function.__code__, changed.__code__
    try:
        yield
    finally:
        function.__code__ = original


# --- killers that are no scenario of their own ---------------------------------------------------


def storms(n: int = 5, f: int = 1, first: int = 0) -> None:
    """Up to ``SEEDS`` storms."""
    for seed in range(first, first + SEEDS):
        Storm(n, f, seed).run()


def unsigned_votes() -> None:
    """Replica 4 votes as it should, with signatures that do not fit; replica 3 is away."""
    stage = Stage(liars=[4])
    batch = stage.offer(1)
    digest = stage.speaker.digest(batch)
    for frame in (stage.speaker.prepare(4, 0, 1, digest), stage.commit(4, batch).frame):
        stage.at(5, partial(stage.say, 4, Vote(frame[:-1] + b"?")))
    stage.ask(1)
    assert stage.decides(1)


def new_view_without_a_quorum() -> None:
    """Replica 1 begins view 1 because it wants to."""
    stage = Stage(liars=[1])
    own = stage.speaker.sign(stage.speaker.view_change(1, 1))
    stage.say(1, Vote(stage.speaker.sign(NewView(*stage.speaker.head, 1, 1, (own,), ()))))
    stage.run(500)
    assert set(stage.views()) == {0}


def checkpoints_and_a_view_change() -> None:
    """What a checkpoint forgot is not asked for in the next view."""
    stage = Stage(4)
    for counter in range(1, 21):
        stage.at(30 * counter, partial(stage.ask, counter))
    assert stage.decides(*range(1, 21))
    stage.crash(stage.node(0))
    stage.ask(30, at=[1, 2, 3])
    assert stage.decides(30)


def a_stable_checkpoint_that_is_none() -> None:
    """Replica 4 shows a checkpoint of its own making before the others get there."""
    stage = Stage(liars=[4])
    stage.say(4, Stable(stage.speaker.stable(8, bytes(32), voters=3)))
    for counter in range(1, 13):
        stage.at(30 * counter, partial(stage.ask, counter))
    assert stage.decides(*range(1, 13))


OWN_KILLERS = (
    unsigned_votes,
    new_view_without_a_quorum,
    checkpoints_and_a_view_change,
    a_stable_checkpoint_that_is_none,
)


def forged_proof(why: str) -> Killer:
    """Scenario 15 with one of its lies."""
    return partial(views.test_a_forged_or_stale_proof_in_a_view_change_is_refused, why)


MUTANTS = (
    Mutant(
        "a quorum of three of five",
        Committee.__init__,
        "self.quorum = genesis.quorum",
        "self.quorum = 2 * genesis.f + 1",
        partial(faults.test_a_quorum_of_three_of_five_is_broken_by_one_traitor, None),  # type: ignore[arg-type]
    ),
    Mutant(
        "no digest check",
        Ordering.on_proposal,
        "if s.digest_of(proposal.batch) != header.digest:",
        "if False:",
        partial(
            leader.test_a_leader_that_proposes_what_nobody_asked_for_gets_no_vote,
            leader._of_another_batch,
        ),
    ),
    Mutant(
        "no prepare phase",
        Ordering._prepare,
        "certificate_of(slot.prepares, header.digest, wanted)",
        "certificate_of(slot.prepares, header.digest, 1)",
        partial(storms),
    ),
    Mutant(
        "no write-ahead",
        State.persist,
        "self.out.append(Persist(records))",
        "pass",
        attacks.test_a_restarted_replica_repeats_its_vote_instead_of_making_another,
    ),
    Mutant(
        "a view of one's own",
        Succession._gather,
        "len(votes) >= s.committee.quorum",
        "len(votes) >= 1",
        leader.test_a_silent_leader_is_replaced_within_one_timeout,
    ),
    Mutant(
        "the proof of the lowest view wins",
        view_change.select,
        "header.view > chosen[number].view",
        "header.view < chosen[number].view",
        views.test_the_proof_of_the_higher_view_wins_over_an_older_one,
    ),
    Mutant(
        "gaps are left out",
        view_change.select,
        "for number in range(first, last + 1)",
        "for number in sorted(chosen)",
        leader.test_a_leader_cannot_use_up_sequence_numbers,
    ),
    Mutant(
        "what was prepared is forgotten",
        Succession.start,
        "if slot.proof is not None and",
        "if False and",
        partial(views.test_a_value_that_one_replica_committed_survives_its_leader, 4),
    ),
    Mutant(
        "repeated submissions are taken",
        Ordering._check_batch,
        'raise Refused("batch repeats a submission")',
        "continue",
        partial(
            leader.test_a_leader_that_proposes_what_nobody_asked_for_gets_no_vote,
            leader._repeated,
        ),
    ),
    Mutant(
        "unsigned submissions are taken",
        Committee.open_submission,
        'raise Refused("signature of the submission does not fit")',
        "pass",
        partial(
            leader.test_a_leader_that_proposes_what_nobody_asked_for_gets_no_vote,
            leader._unsigned,
        ),
    ),
    Mutant(
        "unsigned votes are counted",
        Ordering.on_vote,
        "if not s.committee.signed(frame, vote):",
        "if False:",
        unsigned_votes,
    ),
    Mutant(
        "commits of less than a quorum",
        Ordering._commit,
        "quorum = s.committee.quorum",
        "quorum = s.committee.quorum - 1",
        partial(storms),
    ),
    Mutant(
        "prepared proofs of too few",
        view_change.check_prepared,
        "if len(voters) < committee.quorum - 1:",
        "if False:",
        forged_proof("without a quorum"),
    ),
    Mutant(
        "prepared proofs of mixed votes",
        view_change.check_prepared,
        'raise Refused("prepared proof mixes votes")',
        "pass",
        forged_proof("mixes votes"),
    ),
    Mutant(
        "proofs of views not left",
        view_change.check_view_change,
        "if header.view >= message.view:",
        "if False:",
        forged_proof("has not left"),
    ),
    Mutant(
        "checkpoint proofs of too few",
        view_change.check_stable,
        "if len(voters) < committee.quorum:",
        "if False:",
        forged_proof("checkpoint proof"),
    ),
    Mutant(
        "checkpoint proofs of too many",
        view_change.check_stable,
        "if len(stable.proof) > committee.quorum:",
        "if False:",
        bounds.test_a_padded_checkpoint_makes_no_view_change_longer,
    ),
    Mutant(
        "new views are believed",
        view_change.plan_of,
        "if headers != wanted:",
        "if False:",
        views.test_a_new_view_that_drops_what_was_prepared_is_refused_and_proves_the_lie,
    ),
    Mutant(
        "new views of less than a quorum",
        view_change.plan_of,
        "if len(votes) < committee.quorum:",
        "if False:",
        new_view_without_a_quorum,
    ),
    Mutant(
        "one is enough to join a view",
        Succession._join,
        ">= s.committee.weak_quorum",
        ">= 1",
        views.test_one_replica_that_spams_view_changes_moves_nobody,
    ),
    Mutant(
        "no watermarks",
        Log.slot,
        "if not self.low < number <= self.high:",
        "if False:",
        leader.test_a_leader_cannot_use_up_sequence_numbers,
    ),
    Mutant(
        "no timeout",
        Succession._overdue,
        "return stalled or",
        "return False and",
        leader.test_a_silent_leader_is_replaced_within_one_timeout,
    ),
    Mutant(
        "votes of old views are heard",
        Replica._check_view,
        "message.view < s.view:",
        "message.view < 0:",
        clients.test_what_was_said_in_another_view_or_cluster_is_dropped,
    ),
    Mutant(
        "liars are not reported",
        State.report,
        "self.out.append(ReportEvidence(evidence))",
        "pass",
        leader.test_an_equivocating_leader_split_two_and_two_decides_nothing_and_is_convicted,
    ),
    Mutant(
        "entries are believed",
        CatchUp.on_entries,
        "check_entry(entry, s.epochs.committee)",
        "pass",
        faults.test_a_replica_that_was_away_takes_no_state_from_a_liar,
    ),
    Mutant(
        "stable checkpoints are believed",
        CatchUp.on_stable,
        "check_stable(packet.checkpoint, s.committee)",
        "pass",
        a_stable_checkpoint_that_is_none,
    ),
    Mutant(
        "one leader for ever",
        Committee.primary_of,
        "return view % self.n",
        "return 0",
        leader.test_a_silent_leader_is_replaced_within_one_timeout,
    ),
    Mutant(
        "a batch is any batch",
        digests.batch_digest,
        ", *batch)",
        ")",
        leader.test_an_equivocating_leader_split_two_and_two_decides_nothing_and_is_convicted,
    ),
    Mutant(
        "checkpoints of one",
        Checkpoints.count,
        "certificate_of(votes, chain, self._committee.quorum)",
        "certificate_of(votes, chain, 1)",
        checkpoints_and_a_view_change,
    ),
    Mutant(
        "accepted batches are forgotten in a crash",
        restore._restore_header,
        "slot.header = slot.first_header = Ballot(header.digest, frame)",
        "return",
        attacks.test_a_restarted_replica_repeats_its_vote_instead_of_making_another,
    ),
    Mutant(
        "executed out of turn",
        Execution.execute_ready,
        "s.log.slots.get(s.executed + 1)",
        "s.log.slots.get(s.executed + 2)",
        partial(storms),
    ),
    Mutant(
        "the leader proposes over what the view began with",
        Succession._enter,
        "s.next_number = s.plan_stable + len(plan.slots) + 1",
        "s.next_number = s.plan_stable + 1",
        partial(views.test_a_value_that_one_replica_committed_survives_its_leader, 5),
    ),
    Mutant(
        "an epoch has no end",
        Execution.execute,
        "s.log.end_at(s.epochs.last_of(s.committee.epoch))",
        "s.log.end_at(None)",
        epochs.test_an_epoch_ends_without_any_traffic_but_null_batches,
    ),
    Mutant(
        "an epoch ends with the next checkpoint",
        Changes.boundary.fget,  # type: ignore[attr-defined]
        "due = self.first + 2 * self.period",
        "due = self.first + 1",
        partial(
            charters.test_an_epoch_ends_at_the_first_checkpoint_a_window_above_the_first_order,
            1,
            192,
        ),
    ),
    Mutant(
        "anybody may replace anybody",
        Changes._objection,
        "if author not in self.constitution.operators:",
        "if False:",
        partial(
            charters.test_an_order_that_does_not_count_says_why_and_changes_nothing,
            AGENTS[0],
            0,
            {},
            "its author has no authority for it",
        ),
    ),
    Mutant(
        "a key that nobody holds is ordered in",
        Changes._objection_to_key,
        "if not self._verifier.verify(change.public_key, Domain.CLAIM, claimed, change.claim):",
        "if False:",
        charters.test_a_claim_for_another_epoch_proves_nothing,
    ),
    Mutant(
        "an order for another policy is not heard",
        Epochs.take,
        "if _KEY_TAG in frame or _POLICY_TAG in frame:",
        "if _KEY_TAG in frame:",
        logs.test_an_order_for_another_policy_ends_the_epoch_and_its_charter_holds_it,
    ),
    Mutant(
        "a policy lasts for one epoch",
        Changes.charter,
        "rules = self.rules or (now.rules if isinstance(now, Charter) else None)",
        "rules = self.rules",
        charters.test_the_policy_of_an_epoch_stays_in_those_after_it,
    ),
    Mutant(
        "a charter is believed",
        charter_proof.succeeding,
        "check_stable(StableCheckpoint(*charter.base, began.proof), committee)",
        "pass",
        epochs.test_a_charter_is_believed_with_a_quorum_of_the_old_epoch_and_nothing_less,
    ),
    Mutant(
        "the next epoch is not recognised by its entries",
        CatchUp.on_entries,
        "s.superseded = True",
        "pass",
        epochs.test_who_was_away_for_two_epochs_catches_up_through_both,
    ),
    Mutant(
        "votes of another epoch are read",
        Committee.read,
        "if message.epoch != self.epoch:",
        "if False:",
        epochs.test_what_was_said_in_an_older_epoch_is_dropped_and_accuses_nobody,
    ),
    Mutant(
        "a replaced key votes on",
        Replica._begin_epoch,
        "if charter.agent_keys()[me] != old.signer.public_key:",
        "if False:",
        epochs.test_the_replaced_machine_learns_it_and_takes_no_further_part,
    ),
    Mutant(
        "an epoch begins without its quorum's word",
        State.is_over.fget,  # type: ignore[attr-defined]
        "return self.superseded or self.checkpoints.stable.sequence_number >= last",
        "return True",
        epochs.test_no_replica_leaves_an_epoch_that_no_quorum_has_settled,
    ),
)
