"""Several payloads in one message of the bus: order, limits, and nothing but bundles taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bus.bundle import MOST_BYTES, MOST_PAYLOADS, Bundles, unbundled
from engine.codec import Malformed, encode

SAID = st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=300)), max_size=400)


@given(SAID)
def test_each_subject_hears_what_was_said_in_order(said: list[tuple[str, bytes]]) -> None:
    bundles = Bundles(1 << 20)
    for subject, payload in said:
        assert bundles.put(subject, payload)
    heard: dict[str, list[bytes]] = {}
    for subject, payloads, data in bundles.take():
        parts = unbundled(data)
        assert len(parts) == payloads
        heard.setdefault(subject, []).extend(parts)

    for subject in "abc":
        assert heard.get(subject, []) == [payload for it, payload in said if it == subject]
    assert not bundles


def test_long_and_many_payloads_take_several_messages() -> None:
    bundles = Bundles(1 << 24)
    long = bytes(MOST_BYTES)
    for payload in (long, b"a", b"b", long, *[b"c"] * (MOST_PAYLOADS + 1)):
        bundles.put("x", payload)

    sizes = [payloads for _, payloads, _ in bundles.take()]

    assert sizes == [1, 2, 1, MOST_PAYLOADS, 1]


def test_what_is_too_much_is_refused_until_the_rest_was_taken() -> None:
    bundles = Bundles(10)

    assert bundles.put("x", bytes(10))
    assert not bundles.put("y", b"1")
    assert len(list(bundles.take())) == 1
    assert bundles.put("y", b"1")


@given(st.binary(max_size=64))
def test_any_bytes_are_a_bundle_or_malformed(data: bytes) -> None:
    try:
        payloads = unbundled(data)
    except Malformed:
        return
    assert all(isinstance(payload, bytes) for payload in payloads)


@pytest.mark.parametrize("data", [b"", encode((b"",) * (MOST_PAYLOADS + 1)), encode(("text",))])
def test_what_no_bundler_makes_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed, match="no bundle"):
        unbundled(data)
