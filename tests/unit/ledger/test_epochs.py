"""A ledger of two epochs: verified from the genesis alone, and refused when a key is out of time."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.certificate import sign_body
from engine.charter import Amended, Charter
from engine.cli.verify import Failed, verify
from engine.codec import Malformed, decode, encode
from engine.consensus.certificate import Seal, Unproven
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs
from engine.consensus.messages import Status
from engine.council import IncidentStatus
from engine.ledger.charters import read_charters, write_charters
from engine.ledger.export import parse_export, write_export
from engine.ledger.follower import Follower
from engine.ledger.reading import write_proof
from engine.ledger.sqlite import SqliteLedger
from engine.ledger.verify import verify_ledger
from engine.playback import read_recording
from engine.policy import DRILL_RULES, Automation
from engine.vocabulary import Certificate, Entry, Policy, Signed, Submission
from tests.court import AGENTS, COMMUNICATION, OPERATOR, VERIFIER, Court, restart, signer_of
from tests.unit.ledger.chronicle import SUCCESSOR, Chronicle


@pytest.fixture(scope="module")
def chronicle(tmp_path_factory: pytest.TempPathFactory) -> Chronicle:
    return Chronicle(tmp_path_factory.mktemp("chronicle"))


def verified(chronicle: Chronicle, entries: list[Entry], seal: Seal | None) -> int:
    keys = chronicle.genesis.author_keys()
    return verify_ledger(chronicle.genesis, entries, seal, keys, VERIFIER).entries


def test_two_epochs_are_verified_from_the_genesis_alone(chronicle: Chronicle) -> None:
    assert chronicle.last_of_first == 192
    assert verified(chronicle, chronicle.entries, chronicle.seal()) == 193


def test_the_command_tells_of_the_epoch(chronicle: Chronicle) -> None:
    path = chronicle.notary.folder / "ledger.jsonl"
    write_export(path, chronicle.genesis, chronicle.entries, chronicle.seal())

    found = list(verify(path, chronicle.notary.keys))

    assert any(
        "epoch 1 from entry 193 on" in line and "another key for communication-1" in line
        for line in found
    )
    assert parse_export(path.read_text()).entries == tuple(chronicle.entries)


Attack = Callable[[Chronicle], list[Entry]]
ATTACKS: dict[str, tuple[Attack, str]] = {
    "an entry of the second epoch signed by the first": (
        lambda it: [*it.entries[:192], it.entry(193, 0)], "of another epoch",
    ),
    "the replaced key among its signers": (
        lambda it: [*it.entries[:192], it.entry(193, 1, voters=(0, 1, 2, 4), old=True)],
        "is not signed by its sender",
    ),
    "the second epoch before its time": (
        lambda it: [*it.entries[:191], it.entry(192, 1)], "of another epoch",
    ),
    "the order for it left out": (
        lambda it: [it.entry(1, 0), *it.entries[1:]], "of another epoch",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_the_change_is_refused(chronicle: Chronicle, name: str) -> None:
    attack, why = ATTACKS[name]

    with pytest.raises(Unproven, match=why):
        verified(chronicle, attack(chronicle), None)


def test_a_seal_of_the_first_epoch_does_not_end_the_second(chronicle: Chronicle) -> None:
    with pytest.raises(Unproven, match="no quorum"):
        verified(chronicle, chronicle.entries, chronicle.seal(epoch=0))


def test_a_ledger_file_goes_on_where_it_was_in_either_epoch(
    chronicle: Chronicle, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite"
    for first, last in ((0, 1), (1, 150), (150, 192), (192, 193)):
        ledger = SqliteLedger(path, chronicle.genesis)
        ledger.append(chronicle.entries[first:last], 0)
        ledger.close()

    ledger = SqliteLedger(path, chronicle.genesis)

    assert ledger.head == chronicle.epochs.head
    assert ledger.epochs.constitutions == chronicle.epochs.constitutions
    ledger.close()


def test_a_follower_crosses_the_boundary_and_takes_nothing_from_beyond_it(
    chronicle: Chronicle,
) -> None:
    follower = Follower(Epochs(Committee(chronicle.genesis, VERIFIER)))

    taken = [one for entry in chronicle.entries[:150] for one in follower.offer(entry)]
    early = follower.offer(chronicle.entries[192])
    taken += [one for entry in chronicle.entries[150:] for one in follower.offer(entry)]

    assert not early
    assert taken == chronicle.entries
    assert follower.head == chronicle.epochs.head
    assert follower.refused == 0


def test_a_follower_asks_those_who_speak_of_an_epoch_it_does_not_know(
    chronicle: Chronicle,
) -> None:
    follower = Follower(Epochs(Committee(chronicle.genesis, VERIFIER)))
    status = Status(chronicle.genesis.cluster, 1, 2, 0, True, 193, bytes(32), 192)

    follower.hear(AGENTS[2], chronicle.sign(2, status))

    assert follower.ahead() == [AGENTS[2]]
    assert follower.seal() is None


# --- charters beside a single certificate -----------------------------------------------------------


def test_charters_are_read_with_their_proofs_and_refused_without(
    chronicle: Chronicle, tmp_path: Path
) -> None:
    path = tmp_path / "charters.json"
    assert read_charters(path, chronicle.genesis, VERIFIER) == [chronicle.genesis]

    write_charters(path, [chronicle.began()])
    assert read_charters(path, chronicle.genesis, VERIFIER) == chronicle.epochs.constitutions

    write_charters(path, [chronicle.began(voters=3)])
    with pytest.raises(Malformed, match="epoch 1: checkpoint proof without a quorum"):
        read_charters(path, chronicle.genesis, VERIFIER)
    path.write_bytes(b"[1]")
    with pytest.raises(Malformed, match="remove it"):
        read_charters(path, chronicle.genesis, VERIFIER)


def test_a_certificate_of_a_later_epoch_needs_that_epochs_charter(
    chronicle: Chronicle, tmp_path: Path
) -> None:
    court = Court()
    court.open()
    court.decide(restart())
    assert court.attempt.body is not None
    body = msgspec.structs.replace(court.attempt.body, epoch=1)
    signers = [*(signer_of(it) for it in AGENTS[:3]), signer_of(SUCCESSOR)]
    names = [*AGENTS[:3], COMMUNICATION]
    signatures = {name: sign_body(body, it) for name, it in zip(names, signers, strict=True)}
    path = tmp_path / "certificate.json"
    write_proof(Certificate(body, court.proposal.plan, signatures), path)

    with pytest.raises(Failed, match="only charters up to epoch 0 are proven"):
        list(verify(path, chronicle.notary.keys))
    write_charters(tmp_path / "charters.json", [chronicle.began()])

    assert any("signed by" in line for line in verify(path, chronicle.notary.keys))


# --- another policy -------------------------------------------------------------------------------

ASKS = msgspec.structs.replace(DRILL_RULES, automation=Automation(low=Policy.ASK))


class Rehearing:
    """A ledger in which a policy that asks counts from epoch 1 on, and an approved plan in epoch 1."""

    def __init__(self, folder: Path) -> None:
        self.chronicle = Chronicle(folder, ASKS)
        entries, court = self.chronicle.entries, self.chronicle.court
        for entry in entries[:192]:
            for frame in entry.batch:
                court.council.apply(1, decode(decode(frame, Signed).payload, Submission), frame)
        charter = self.chronicle.epochs.constitutions[1]
        assert isinstance(charter, Charter)
        court.council.begin(charter)
        court.genesis = charter
        # The court goes on at the number that the ledger has come to.
        court.log = [(0, Submission(charter.cluster, 0, OPERATOR, 0, ()), b"")] * len(entries)
        court.open()
        court.propose(restart())
        court.accept(*AGENTS[:4])
        assert court.status() is IncidentStatus.AWAITING_APPROVAL
        court.approve()
        court.certify()
        court.act()
        for _, _, frame in court.log[len(entries) :]:
            self.chronicle.add(frame, voters=(0, 1, 2, 4))


def test_a_policy_epoch_is_folded_again_from_the_genesis_alone(tmp_path: Path) -> None:
    chronicle = Rehearing(tmp_path).chronicle
    path = chronicle.notary.folder / "ledger.jsonl"
    write_export(path, chronicle.genesis, chronicle.entries, chronicle.seal())

    found = list(verify(path, chronicle.notary.keys))

    assert any(
        "another key for communication-1; policy automation.low ask (was auto)" in line
        for line in found
    )
    assert any("1 incidents, 1 certificates" in line for line in found)
    assert any("1 reports of the actuator" in line for line in found)


def test_a_policy_epoch_is_played_back_with_its_policy(tmp_path: Path) -> None:
    chronicle = Rehearing(tmp_path).chronicle
    path = chronicle.notary.folder / "ledger.sqlite"
    ledger = SqliteLedger(path, chronicle.genesis)
    ledger.append(chronicle.entries, 0)
    ledger.close()

    swarms = [frame.state.swarm for frame in read_recording(path).frames]

    policies = [(it.epoch, it.policy) for it in swarms if it is not None]
    assert policies[190] == (0, "low auto, medium auto, high auto")
    assert policies[191] == policies[-1] == (1, "low ask, medium ask, high ask")


def test_an_order_for_another_policy_that_was_changed_in_the_ledger_is_refused(
    tmp_path: Path,
) -> None:
    chronicle = Chronicle(tmp_path, ASKS)
    (frame,) = chronicle.entries[0].batch
    changed = frame.replace(ASKS.encoded, encode(ASKS).replace(b"\xa3ask", b"\xa4auto", 1))
    lax = frame.replace(b"\xa3ask", b"\xa3aks", 1)
    assert frame not in (changed, lax)

    for forged in (changed, lax):
        with pytest.raises(Unproven):
            verified(chronicle, [chronicle.entry(1, 0, forged), *chronicle.entries[1:]], None)


def test_a_charter_with_other_rules_is_refused_with_or_without_their_digest(
    tmp_path: Path,
) -> None:
    chronicle, path = Chronicle(tmp_path, ASKS), tmp_path / "charters.json"
    began = chronicle.began()
    write_charters(path, [began])
    assert read_charters(path, chronicle.genesis, VERIFIER) == chronicle.epochs.constitutions
    begins = Amended(began.charter.chain, DRILL_RULES)
    forged = msgspec.structs.replace(began.charter, begins=begins, policy=DRILL_RULES.digest)

    write_charters(path, [msgspec.structs.replace(began, charter=forged)])
    with pytest.raises(Malformed, match="epoch 1"):
        read_charters(path, chronicle.genesis, VERIFIER)
    write_charters(path, [began])
    path.write_bytes(path.read_bytes().replace(b'"low": "ask"', b'"low": "auto"'))
    with pytest.raises(Malformed, match="its rules are not those of its policy"):
        read_charters(path, chronicle.genesis, VERIFIER)
