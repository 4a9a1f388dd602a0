"""No bytes, however made, get more out of a replica than a refusal."""

from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codec import Malformed, decode, encode
from engine.consensus.effects import Receive, Submit, Tick, Trace
from engine.consensus.messages import (
    Batches,
    Entries,
    Fetch,
    FetchBatches,
    Packet,
    Proposal,
    Relay,
    Stable,
    Vote,
    decode_message,
    decode_packet,
    encode_packet,
)
from engine.consensus.simulate.cluster import Cluster
from engine.consensus.simulate.members import OPERATOR
from engine.ledger.export import parse_export
from engine.vocabulary import Signed
from tests.unit.consensus.speaking import Speaker

SPEAKER = Speaker(4, 1)
SUBMISSION = SPEAKER.members.submission(1)
DIGEST = SPEAKER.digest((SUBMISSION,))
PACKETS = (
    Proposal(SPEAKER.pre_prepare(0, 1, DIGEST), (SUBMISSION,)),
    Vote(SPEAKER.prepare(2, 0, 1, DIGEST)),
    Vote(SPEAKER.commit(0, 0, 1, DIGEST)),
    Vote(SPEAKER.sign(SPEAKER.view_change(0, 1, SPEAKER.prepared(0, 1, DIGEST)))),
    Relay((SUBMISSION,)),
    Fetch(1, 10),
    Entries((SPEAKER.entry(1, SUBMISSION),)),
    FetchBatches((DIGEST,)),
    Batches(((SUBMISSION,),)),
    Stable(SPEAKER.stable(64, DIGEST)),
)
GENUINE = [encode_packet(packet) for packet in PACKETS]


@given(st.binary(max_size=400))
def test_garbage_is_refused(data: bytes) -> None:
    cluster = Cluster(4, 1, seed=0)
    node = cluster.nodes[cluster.members.ids[1]][0]
    assert node.replica is not None

    effects = node.replica.step(Receive(cluster.members.ids[0], data))

    assert all(isinstance(effect, Trace) and effect.refused for effect in effects)
    assert all(isinstance(it, Trace) for it in node.replica.step(Submit(data)))


@settings(max_examples=300)
@given(st.sampled_from(GENUINE), st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_never_changes_what_is_agreed(frame: bytes, at: int, by: int) -> None:
    cluster = Cluster(4, 1, seed=0)
    node = cluster.nodes[cluster.members.ids[1]][0]
    cluster.checker.submitted.add(SUBMISSION)
    changed = bytearray(frame)
    changed[at % len(frame)] ^= by

    node.step(Tick(cluster.now_ms))
    node.step(Receive(cluster.members.ids[0], bytes(changed)))

    # The checker inside ``step`` would raise; and nobody signed anything twice.
    assert not cluster.checker.convicted
    assert node.head[0] == 0


@given(st.binary(max_size=200))
def test_what_decodes_has_one_encoding(data: bytes) -> None:
    with suppress(Malformed):
        assert encode(decode_message(data)) == data
    with suppress(Malformed):
        assert encode_packet(decode_packet(data)) == data


def test_every_message_and_packet_comes_back_as_it_was() -> None:
    assert {type(packet) for packet in PACKETS} == set(get_args(Packet))
    for packet, frame in zip(PACKETS, GENUINE, strict=True):
        assert decode_packet(frame) == packet
        if isinstance(packet, Vote):
            payload = decode(packet.frame, Signed).payload
            assert encode(decode_message(payload)) == payload


@given(st.text(max_size=300))
def test_an_export_that_is_none_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(Malformed, match="line"):
        parse_export(text)


def test_an_author_that_floods_takes_no_place_of_others() -> None:
    cluster = Cluster(4, 1, seed=0)
    node = cluster.nodes[cluster.members.ids[1]][0]
    assert node.replica is not None
    flooder = cluster.members.ids[2]

    for counter in range(1, 400):
        node.replica.step(Submit(cluster.members.submission(counter, flooder)))
    node.replica.step(Submit(cluster.members.submission(1, OPERATOR)))

    assert node.replica.pending == cluster.settings.pending_per_author + 1
