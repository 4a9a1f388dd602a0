"""Whatever bytes stand where a charter, a claim or a wish is due: one clear error, or what was meant."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.codec import Malformed, decode, encode
from engine.consensus.effects import Began
from engine.consensus.epochs import Kept
from engine.ledger.charters import read_beginnings
from engine.policy import Rules, ordered_rules
from engine.standing import read_claim
from engine.wish import SuccessorWanted, read_wish, signed_wish
from tests.court import AGENTS, COMMUNICATION, OPERATOR, VERIFIER, Court, signer_of

COURT = Court()
COURT.say(OPERATOR, COURT.replaced(COMMUNICATION))
COURT.say(OPERATOR, COURT.configured(Rules()))
BEGAN = encode(Began(COURT.council.changes.charter(bytes(32)), (b"a", b"b")))
KEPT = encode(
    Kept((COURT.council.changes.charter(bytes(32)),), tuple(COURT.council.changes.ordered))
)
WISH = signed_wish(
    SuccessorWanted(COURT.genesis.cluster, OPERATOR, 5, COMMUNICATION), signer_of(OPERATOR)
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Any bytes, or ``whole`` with one place changed or its end cut off."""
    match draw(st.integers(0, 2)):
        case 0:
            return draw(st.binary(max_size=200))
        case 1:
            return whole[: draw(st.integers(0, len(whole)))]
        case _:
            place = draw(st.integers(0, len(whole) - 1))
            changed = whole[place] ^ draw(st.integers(1, 255))
            return whole[:place] + bytes([changed]) + whole[place + 1 :]


@given(damaged(BEGAN) | damaged(KEPT))
def test_a_beginning_is_read_canonically_or_refused(data: bytes) -> None:
    for kind in (Began, Kept):
        try:
            assert encode(decode(data, kind)) == data
        except Malformed:
            continue


@given(damaged(Rules().encoded))
def test_a_policy_that_is_ordered_is_read_canonically_or_refused(data: bytes) -> None:
    try:
        rules = ordered_rules(data)
    except Malformed:
        return
    assert rules.encoded == data


@given(damaged(WISH), st.integers(0, 10))
def test_a_changed_wish_is_nobodys(data: bytes, now_ms: int) -> None:
    try:
        wish = read_wish(data, COURT.genesis, VERIFIER, now_ms)
    except Malformed:
        return
    assert data == WISH
    assert isinstance(wish, SuccessorWanted)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=100), st.text(max_size=100).map(str.encode)))
def test_a_file_that_holds_something_else_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(data)

    for read in (read_beginnings, read_claim):
        said = ""
        try:
            assert read(path) == ()
        except Malformed as error:
            said = str(error)
        assert not said or (str(path) in said and "remove it" in said)


def test_what_is_fuzzed_is_read_whole() -> None:
    assert decode(BEGAN, Began).charter.epoch == 1
    assert decode(BEGAN, Began).charter.rules == decode(KEPT, Kept).charters[0].rules == Rules()
    assert len(decode(KEPT, Kept).pending) == 2
    assert ordered_rules(Rules().encoded) == Rules()
    assert read_wish(WISH, COURT.genesis, VERIFIER, 5).operator == OPERATOR
    assert len(AGENTS) == 5
