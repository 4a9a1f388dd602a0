"""What of a log founds an epoch: an operator's signed order for this cluster, and nothing else."""

import pytest

from engine.charter import Charter, claim
from engine.codec import encode
from engine.consensus.checkpoint import Diverged
from engine.consensus.effects import Began
from engine.consensus.epochs import Epochs
from engine.consensus.resume import begun_by, first_with
from engine.consensus.settings import Settings
from engine.consensus.simulate.members import OPERATOR, HashSigner
from engine.policy import Limits, Rules
from engine.signing import Domain
from engine.vocabulary import CommandId, Configured, Replaced, Signed, Submission
from tests.unit.consensus.speaking import Speaker

PERIOD = 4


class Log:
    """The succession of charters in a log that a test writes."""

    def __init__(self, key: str = "successor") -> None:
        self.speaker = Speaker()
        self.epochs = Epochs(self.speaker.committee, Settings(checkpoint_period=PERIOD))
        self.agent = self.speaker.members.ids[2]
        self.signer = HashSigner(key.encode())

    def order(self) -> Replaced:
        """The operator's order for another key of agent 2."""
        claimed = claim(self.agent, self.speaker.genesis, self.signer)
        return Replaced(CommandId("replace"), self.agent, self.signer.public_key, claimed)

    def write(self, *batch: bytes) -> bool:
        return self.epochs.take(self.speaker.entry(self.epochs.head[0] + 1, *batch))

    def end_epoch(self) -> None:
        self.write(self.speaker.members.signed(OPERATOR, 1, self.order()))
        while not self.write():
            pass


def test_an_order_among_other_operations_is_found_and_ends_the_epoch_in_its_time() -> None:
    log = Log()
    members = log.speaker.members

    log.write(members.signed(OPERATOR, 1, members.note(1), log.order(), members.note(2)))

    assert log.epochs.boundary == 3 * PERIOD
    assert log.epochs.last_of(0) == 3 * PERIOD


def test_an_order_for_another_policy_ends_the_epoch_and_its_charter_holds_it() -> None:
    log = Log()
    rules = Rules(limits=Limits(attempts=2))
    order = Configured(CommandId("policy"), encode(rules))

    log.write(log.speaker.members.signed(OPERATOR, 1, order))
    resumed = Epochs(
        log.speaker.committee,
        Settings(checkpoint_period=PERIOD),
        log.epochs.head,
        log.epochs.kept(),
    )
    assert log.epochs.revision == (1, 1)
    while not log.write():
        pass

    charter = log.epochs.constitution
    assert isinstance(charter, Charter)
    assert (charter.rules, charter.policy, charter.after) == (rules, rules.digest, 3 * PERIOD)
    assert charter.agents == log.speaker.genesis.agents
    assert log.epochs.revision == (2, 0)
    while resumed.constitution.epoch == 0:
        resumed.take(log.speaker.entry(resumed.head[0] + 1))
    assert resumed.constitution == charter


def test_what_only_looks_like_an_order_changes_nothing() -> None:
    log = Log()
    foreign = Submission(bytes(32), 0, OPERATOR, 1, (log.order(),))  # type: ignore[arg-type]
    payload = encode(foreign)
    signature = log.speaker.members.operator.sign(Domain.SUBMISSION, payload)

    log.write(
        b"words alone: configured, replaced",
        b"cut off behind its tag: " + encode("type") + encode("configured"),
        encode("type") + encode("replaced"),
        encode(Signed(payload, signature)),
    )

    assert log.epochs.boundary is None


def test_what_is_kept_of_a_log_goes_on_as_the_log_itself() -> None:
    log = Log()
    log.end_epoch()
    members = log.speaker.members
    late = HashSigner(b"late")
    claimed = claim(log.agent, log.epochs.constitution, late)
    order = Replaced(CommandId("again"), log.agent, late.public_key, claimed)
    log.write(members.signed(OPERATOR, 2, order, epoch=1))
    kept = Epochs(
        Log().speaker.committee,
        Settings(checkpoint_period=PERIOD),
        log.epochs.head,
        log.epochs.kept(),
    )

    assert kept.boundary is not None
    assert kept.boundary == log.epochs.boundary
    while kept.constitution.epoch == 1:
        entry = log.speaker.entry(kept.head[0] + 1)
        assert kept.take(entry) == log.epochs.take(entry)
    assert kept.head == log.epochs.head
    assert kept.constitutions == log.epochs.constitutions


def test_every_number_belongs_to_one_epoch_and_none_before_the_first_to_the_founders() -> None:
    log = Log()
    log.end_epoch()
    boundary = log.epochs.head[0]

    numbers = (0, 1, boundary, boundary + 1, boundary + 1000)
    assert [log.epochs.committee_at(it).epoch for it in numbers] == [0, 0, 0, 1, 1]


def test_the_chain_of_a_log_leads_through_its_charters() -> None:
    log = Log()
    order = log.speaker.members.signed(OPERATOR, 1, log.order())
    entries, chains = [log.speaker.entry(1, order)], [log.epochs.head[1]]
    while not log.epochs.take(entries[-1]):
        chains.append(log.epochs.head[1])
        entries.append(log.speaker.entry(len(entries) + 1))
    chains.append(log.epochs.head[1])

    for previous, entry, chain in zip(chains, entries, chains[1:], strict=False):
        assert log.epochs.follows(previous, entry, chain)
        assert not log.epochs.follows(previous, entry, bytes(32))
    assert not log.epochs.follows(bytes(32), entries[-1], chains[-1])


# --- in which epoch a replica begins --------------------------------------------------------------


def test_votes_of_an_epoch_that_the_ledger_lost_are_kept_in_that_epoch() -> None:
    log = Log()
    log.end_epoch()
    began = Began(log.epochs.constitution, ())  # type: ignore[arg-type]

    emptied = begun_by(Log().epochs, [began])
    known = begun_by(log.epochs, [began])

    assert emptied is not None
    assert known is not None
    assert known is log.epochs.committees[1]
    assert (emptied.epoch, emptied.genesis) == (1, known.genesis)


def test_votes_of_another_epoch_than_the_ledgers_stop_the_replica() -> None:
    log, other = Log(), Log("another successor")
    log.end_epoch()
    other.end_epoch()
    began = Began(other.epochs.constitution, ())  # type: ignore[arg-type]

    with pytest.raises(Diverged, match="people must look"):
        begun_by(log.epochs, [began])


def test_a_key_votes_from_the_first_epoch_on_that_names_it() -> None:
    log = Log()
    log.end_epoch()
    first = log.speaker.members.signers[log.agent]

    assert first_with(first.public_key, log.agent, log.epochs).epoch == 0
    assert first_with(log.signer.public_key, log.agent, log.epochs).epoch == 1
    # A key that never counted: the votes made with it count nowhere.
    assert first_with(bytes(32), log.agent, log.epochs).epoch == 0
