"""What each kind of traitor sends in place of an honest message: with its own key, and no other's."""

import asyncio
import random
from collections.abc import Sequence

import msgspec
import pytest

from chaos.byzantine import FLOOD, KINDS, LEADING, PROVABLE, LyingBus, Parcel, Treason, traitor_for
from chaos.verdict import wrongly_judged
from chaos.world import Traitor
from engine.bus.memory import MemoryBus
from engine.codec import decode, encode
from engine.consensus.committee import Committee
from engine.consensus.evidence import conflict
from engine.consensus.messages import Commit, PrePrepare, Proposal, Vote, decode_packet
from engine.council.contradiction import DOUBLE_ASSESSMENT, contradiction
from engine.proof import convicts
from engine.vocabulary import Assessed, Convicted, Digest, Signed, Submission, Verdict
from tests.court import AGENTS, CHECKOUT, COMMUNICATION, DETECTION, VERIFIER, Court, signer_of
from tests.unit.chaos.test_report import PASSED

STAMP = bytes(8)
A = bytes([1] * 32)


class Turned:
    """One traitor of a court, and what it sends."""

    def __init__(self, kind: str, place: int = 4) -> None:
        self.court = Court()
        self.me = AGENTS[place]
        self.place = place
        self.signer = signer_of(self.me, self.court.name)
        self.committee = Committee(self.court.genesis, VERIFIER)
        self.head = (self.committee.cluster, self.committee.epoch)
        self.treason = Treason(kind, self.me, self.signer, self.court.genesis, random.Random(1))

    def vote(self) -> bytes:
        vote = Commit(*self.head, self.place, 0, 1, A)
        return STAMP + self.committee.sign(self.signer, vote)

    def says(self, word: str, payload: bytes) -> Sequence[Parcel]:
        return self.treason.outgoing(f"{word}.{self.me}", payload)

    def assessment(self) -> bytes:
        answer = Assessed(CHECKOUT, Digest(A), Verdict.ACCEPT, 900)
        return self.court.sign(self.me, answer)[1]


def submission_in(parcel: Parcel) -> Submission:
    return decode(decode(parcel.payload, Signed).payload, Submission)


def test_conflicting_votes_give_half_of_the_peers_another_one_that_convicts() -> None:
    turned = Turned("conflicting_votes")

    parcels = turned.says("pbft", turned.vote())

    assert {parcel.subject.split(".")[2] for parcel in parcels} == set(AGENTS) - {turned.me}
    frames = {decode_packet(parcel.payload[8:]) for parcel in parcels}
    first, second = (packet.frame for packet in frames if isinstance(packet, Vote))
    evidence = conflict(first, second, turned.committee)
    assert evidence is not None
    assert (evidence.culprit, evidence.kind) == (turned.me, "double-commit")


def test_an_equivocating_primary_puts_two_batches_at_one_place() -> None:
    turned = Turned("equivocating_primary", place=0)
    batch = (turned.court.sign(DETECTION)[1],)
    header = PrePrepare(*turned.head, 0, 0, 1, A)
    proposal = Proposal(turned.committee.sign(turned.signer, header), batch)

    parcels = turned.says("pbft", STAMP + encode(proposal))

    said = {decode_packet(parcel.payload[8:]) for parcel in parcels}
    first, second = (packet for packet in said if isinstance(packet, Proposal))
    evidence = conflict(first.frame, second.frame, turned.committee)
    assert evidence is not None
    assert evidence.kind == "double-pre-prepare"
    for packet in (first, second):
        for frame in packet.batch:
            turned.committee.open_submission(frame)


def test_a_lying_assessor_signs_the_opposite_too() -> None:
    turned = Turned("lying_assessor")

    honest, lie = turned.says("submit", turned.assessment())

    kind = contradiction(submission_in(honest), submission_in(lie))
    assert kind == DOUBLE_ASSESSMENT
    proof = Convicted(turned.me, kind, *sorted((honest.payload, lie.payload)))
    assert convicts(VERIFIER)(proof, [turned.court.genesis])


def test_framing_accuses_everyone_else_and_proves_nothing() -> None:
    turned = Turned("framing")
    charges = []
    for _ in range(6):
        charges += [
            operation
            for parcel in turned.says("submit", turned.assessment())
            for operation in submission_in(parcel).operations
            if isinstance(operation, Convicted)
        ]

    assert {charge.culprit for charge in charges} == set(AGENTS) - {turned.me}
    assert not any(convicts(VERIFIER)(charge, [turned.court.genesis]) for charge in charges)


def test_forged_votes_carry_no_signature_that_holds() -> None:
    turned = Turned("invalid_signatures")

    honest, *forged = turned.says("pbft", turned.vote())

    assert honest.payload == turned.vote()
    assert len(forged) == 5
    for parcel in forged:
        packet = decode_packet(parcel.payload[8:])
        assert isinstance(packet, Vote)
        assert not turned.committee.signed(packet.frame, turned.committee.read(packet.frame))


def test_tampering_changes_one_bit_of_the_message_and_nothing_of_its_stamp() -> None:
    turned = Turned("message_tampering")
    payload = turned.vote()

    (parcel,) = turned.says("pbft", payload)

    assert parcel.payload[:8] == STAMP
    wrong = sum((a ^ b).bit_count() for a, b in zip(payload, parcel.payload, strict=True))
    assert wrong == 1


def test_the_slow_one_the_silent_one_and_the_loud_one() -> None:
    vote = Turned("silent").vote()

    assert Turned("silent").says("pbft", vote) == ()
    assert [parcel.delay_ms for parcel in Turned("strategic_delay").says("pbft", vote)] == [600]
    assert len(Turned("flood").says("pbft", vote)) == FLOOD


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_traitor_says_of_itself_to_screens_is_left_alone(kind: str) -> None:
    assert Turned(kind).says("status", b"vitals") == (Parcel(f"status.{COMMUNICATION}", b"vitals"),)


def test_there_is_no_other_kind() -> None:
    with pytest.raises(ValueError, match="conflicting_votes, message_tampering"):
        Turned("gossip")
    assert set(KINDS) >= PROVABLE | LEADING


def test_the_first_primary_is_turned_where_leading_matters() -> None:
    assert traitor_for("silent", AGENTS) == AGENTS[0]
    assert traitor_for("flood", AGENTS) == AGENTS[-1]


# --- the verdict on a drill -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "convicted", "finding"),
    [
        ("conflicting_votes", (COMMUNICATION,), ""),
        ("conflicting_votes", (), "was not convicted"),
        ("flood", (), ""),
        ("flood", (COMMUNICATION,), "without proof"),
        ("flood", (DETECTION,), "honest"),
        ("conflicting_votes", (COMMUNICATION, DETECTION), "honest"),
        (None, (), ""),
        (None, (DETECTION,), "honest"),
    ],
)
def test_a_drill_passes_only_if_the_right_ones_were_convicted(
    kind: str | None, convicted: tuple[str, ...], finding: str
) -> None:
    traitor = None if kind is None else Traitor(COMMUNICATION, kind)

    record = msgspec.structs.replace(PASSED, convicted=convicted)

    said = wrongly_judged(record, traitor)

    assert (finding in said) if finding else said == ""


async def test_a_turned_bus_is_honest_until_it_begins() -> None:
    below = MemoryBus()
    heard: list[bytes] = []

    def hear(_subject: str, payload: bytes) -> None:
        heard.append(payload)

    turned = Turned("silent")
    bus = LyingBus(below, turned.treason)
    await bus.subscribe("pbft.*", hear)
    await bus.publish(f"pbft.{turned.me}", b"before")
    bus.begin()
    await bus.publish(f"pbft.{turned.me}", b"after")
    await bus.publish("pbft.x", b"after")
    await below.publish("pbft.end", b"end")
    async with asyncio.timeout(5):
        while not heard or heard[-1] != b"end":  # noqa: ASYNC110
            await asyncio.sleep(0)

    assert heard == [b"before", b"end"]
    await bus.close()
