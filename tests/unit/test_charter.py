"""Who may be replaced, when an epoch ends, and what the next one's charter says."""

import msgspec
import pytest

from engine.charter import MAX_CHANGES, Changes, Charter, claim, difference_in_words, rules_of
from engine.codec import Malformed, decode, digest_of, encode
from engine.genesis import Genesis, objection_to
from engine.policy import DRILL_RULES, Automation, Handover, Limits, Rules
from engine.vocabulary import AgentId, AuthorId, CommandId, Configured, Policy, Replaced
from tests.court import AGENTS, COMMUNICATION, DETECTION, OPERATOR, VERIFIER, Court, signer_of

PERIOD = 64


def changes() -> Changes:
    return Changes(Court().genesis, VERIFIER, PERIOD)


def order(agent: AgentId = COMMUNICATION, key: str = "successor", epoch: int = 0) -> Replaced:
    constitution = msgspec.structs.replace(Court().genesis, epoch=epoch)
    signer = signer_of(AuthorId(f"{agent} {key}"))
    # The claim names the cluster, whatever epoch it is made for.
    changed = Charter(
        **{name: getattr(constitution, name) for name in constitution.__struct_fields__},
        founded=Court().genesis.cluster, after=0, begins=Court().genesis.cluster,
    )  # fmt: skip
    return Replaced(
        CommandId(f"{agent} {key}"), agent, signer.public_key, claim(agent, changed, signer)
    )


@pytest.mark.parametrize(
    ("first", "boundary"),
    [(1, 192), (63, 192), (64, 192), (65, 256), (128, 256), (129, 320)],
)
def test_an_epoch_ends_at_the_first_checkpoint_a_window_above_the_first_order(
    first: int, boundary: int
) -> None:
    counted = changes()

    assert counted.boundary is None
    assert counted.order(first, OPERATOR, 0, order()) == ""
    assert counted.boundary == boundary


def test_orders_up_to_a_window_below_the_boundary_join_and_later_ones_wait() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, order())

    assert counted.order(64, OPERATOR, 0, order(DETECTION)) == ""
    why = counted.order(65, OPERATOR, 0, order(AGENTS[1]))

    assert why == "an epoch is about to begin; order it again in that one"
    assert set(counted.pending) == {COMMUNICATION, DETECTION}


def test_the_later_order_for_one_agent_takes_the_place_of_the_earlier() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, order(key="one"))
    counted.order(2, OPERATOR, 0, order(key="two"))

    assert counted.pending == {COMMUNICATION: order(key="two")}
    assert counted.order(3, OPERATOR, 0, order(key="one")) == "not a new Ed25519 key"


@pytest.mark.parametrize(
    ("author", "epoch", "change", "why"),
    [
        (AGENTS[0], 0, {}, "its author has no authority for it"),
        (OPERATOR, 1, {}, "of another cluster or epoch"),
        (OPERATOR, 0, {"agent": AgentId(AuthorId("stranger-1"))}, "no such agent"),
        (OPERATOR, 0, {"public_key": b"k" * 31}, "not a new Ed25519 key"),
        (OPERATOR, 0, {"public_key": signer_of(OPERATOR).public_key}, "not a new Ed25519 key"),
        (OPERATOR, 0, {"claim": bytes(64)}, "nobody proves to hold this key"),
        (OPERATOR, 0, {"agent": DETECTION}, "nobody proves to hold this key"),
        (OPERATOR, 0, {"command": CommandId("c" * 2000)}, "a text has 2000 characters"),
    ],
)
def test_an_order_that_does_not_count_says_why_and_changes_nothing(
    author: AuthorId, epoch: int, change: dict[str, object], why: str
) -> None:
    counted = changes()

    said = counted.order(1, author, epoch, msgspec.structs.replace(order(), **change))

    assert said.startswith(why)
    assert counted.boundary is None
    assert not counted.pending


def test_a_claim_for_another_epoch_proves_nothing() -> None:
    assert changes().order(1, OPERATOR, 0, order(epoch=1)) == "nobody proves to hold this key"


def test_one_epoch_counts_so_many_changes_and_no_more() -> None:
    counted = changes()
    for number in range(MAX_CHANGES):
        assert counted.order(number + 1, OPERATOR, 0, order(key=str(number))) == ""

    why = counted.order(MAX_CHANGES + 1, OPERATOR, 0, order(key="more"))

    assert why == f"{MAX_CHANGES} changes wait for the next epoch"


def test_a_charter_changes_the_key_and_nothing_else() -> None:
    counted, genesis = changes(), Court().genesis
    counted.order(1, OPERATOR, 0, order())
    chain = bytes(range(32))

    charter = counted.charter(chain)

    assert (charter.epoch, charter.after, charter.chain) == (1, 192, chain)
    assert charter.cluster == charter.founded == genesis.cluster
    assert (charter.n, charter.f, charter.quorum) == (genesis.n, genesis.f, genesis.quorum)
    keys = charter.agent_keys()
    assert keys.pop(COMMUNICATION) == order().public_key
    assert keys == {it: key for it, key in genesis.agent_keys().items() if it != COMMUNICATION}
    assert [it.id for it in charter.agents] == [it.id for it in genesis.agents]
    assert objection_to(charter) == ""


def test_the_chain_that_an_epoch_begins_with_commits_to_every_byte_of_its_charter() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, order())
    charter = counted.charter(bytes(32))

    others = [
        counted.charter(b"x" * 32),
        msgspec.structs.replace(charter, after=256),
        msgspec.structs.replace(charter, epoch=2),
        msgspec.structs.replace(charter, agents=charter.agents[::-1]),
    ]

    assert len({it.base[1] for it in (charter, *others)}) == 5


def test_no_key_of_an_older_epoch_comes_back() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, order())
    following = counted.following(counted.charter(bytes(32)))
    old = Court().genesis.agent_keys()[COMMUNICATION]

    assert old in following.used
    back = msgspec.structs.replace(order(epoch=1), public_key=old)
    assert following.order(193, OPERATOR, 1, back) == "not a new Ed25519 key"


# --- another policy -------------------------------------------------------------------------------

CAREFUL = msgspec.structs.replace(DRILL_RULES, limits=Limits(attempts=2, repeats=2))


def configured(rules: Rules = CAREFUL, command: str = "careful") -> Configured:
    return Configured(CommandId(command), encode(rules))


def test_a_charter_carries_the_policy_that_was_ordered_and_the_keys_that_were_not() -> None:
    counted, genesis = changes(), Court().genesis
    assert counted.order(1, OPERATOR, 0, configured()) == ""

    charter = counted.charter(bytes(32))

    assert counted.boundary == charter.after == 192
    assert charter.rules == CAREFUL
    assert charter.policy == CAREFUL.digest
    assert charter.agents == genesis.agents
    assert (charter.catalogue, charter.manifest) == (genesis.catalogue, genesis.manifest)
    assert objection_to(charter) == ""
    assert rules_of(genesis, DRILL_RULES) == DRILL_RULES
    assert rules_of(charter, DRILL_RULES) == CAREFUL


def test_a_policy_and_a_key_change_in_one_epoch() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, order())
    counted.order(2, OPERATOR, 0, configured())

    charter = counted.charter(bytes(32))

    assert charter.rules == CAREFUL
    assert charter.agent_keys()[COMMUNICATION] == order().public_key
    assert difference_in_words(charter, Court().genesis, DRILL_RULES) == (
        "another key for communication-1; policy limits.attempts 2 (was 4), limits.repeats 2 (was 1)"
    )


def test_the_policy_of_an_epoch_stays_in_those_after_it() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, configured())
    first = counted.charter(bytes(32))
    following = counted.following(first)
    following.order(193, OPERATOR, 1, order(epoch=1))

    second = following.charter(bytes(32))

    assert (second.rules, second.policy) == (CAREFUL, CAREFUL.digest)
    assert difference_in_words(second, first, DRILL_RULES) == "another key for communication-1"


def test_the_policy_that_is_ordered_last_counts_and_an_order_can_be_taken_back() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, configured())
    other = Rules(limits=Limits(repeats=3))

    assert counted.order(2, OPERATOR, 0, configured(other)) == ""
    assert counted.charter(bytes(32)).rules == other
    assert counted.order(3, OPERATOR, 0, configured(DRILL_RULES)) == ""

    charter = counted.charter(bytes(32))
    assert charter.policy == Court().genesis.policy
    assert difference_in_words(charter, Court().genesis, DRILL_RULES) == (
        "what was ordered was taken back"
    )


SECRET = Handover(webhook="https://hooks.example/secret")


@pytest.mark.parametrize(
    ("author", "epoch", "rules", "why"),
    [
        (AGENTS[0], 0, encode(CAREFUL), "its author has no authority for it"),
        (OPERATOR, 1, encode(CAREFUL), "of another cluster or epoch"),
        (OPERATOR, 0, b"", "no policy: Input data was truncated"),
        (OPERATOR, 0, b"x" * 5000, "no policy: 5000 bytes; 2048 are allowed"),
        (OPERATOR, 0, encode({"automation": {"low": "always"}}), "no policy: Invalid enum value"),
        (OPERATOR, 0, encode({"limits": {"attempts": 0}}), "no policy: Expected `int` >= 1"),
        (OPERATOR, 0, encode({}), "no policy: not the canonical encoding of Rules"),
        (OPERATOR, 0, encode(DRILL_RULES), "this policy is in force, or ordered, already"),
        (OPERATOR, 0, encode(Rules(handover=SECRET)), "no policy: handover: how people are told"),
    ],
)
def test_a_policy_that_does_not_count_says_why_and_changes_nothing(
    author: AuthorId, epoch: int, rules: bytes, why: str
) -> None:
    counted = changes()

    said = counted.order(1, author, epoch, Configured(CommandId("c"), rules))

    assert said.startswith(why)
    assert counted.boundary is None
    assert not counted.ordered


def test_what_is_ordered_already_is_not_ordered_again() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, configured())

    why = counted.order(2, OPERATOR, 0, configured(command="again"))

    assert why == "this policy is in force, or ordered, already"
    assert len(counted.ordered) == 1


def test_who_goes_on_in_the_middle_of_an_epoch_counts_as_those_who_were_there() -> None:
    counted, resumed = changes(), changes()
    for number in range(MAX_CHANGES - 1):
        counted.order(number + 1, OPERATOR, 0, order(key=str(number)))
    resumed.resume(tuple(counted.ordered), counted.first, counted.used)

    for each in (counted, resumed):
        assert each.order(20, OPERATOR, 0, configured()) == ""
        assert (
            each.order(21, OPERATOR, 0, order(key="more")) == "16 changes wait for the next epoch"
        )

    assert resumed.charter(bytes(32)) == counted.charter(bytes(32))


def test_a_charter_with_other_rules_than_its_policys_is_none() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, configured())
    charter = counted.charter(bytes(32))
    whole = encode(charter)
    tampered = whole.replace(encode(CAREFUL), encode(Rules(automation=Automation(low=Policy.AUTO))))

    assert decode(whole, Charter) == charter
    assert tampered != whole
    with pytest.raises(Malformed, match="its rules are not those of its policy"):
        decode(tampered, Charter)


def test_a_charter_without_a_policy_of_its_own_is_encoded_as_before_there_were_any() -> None:
    counted = changes()
    counted.order(1, OPERATOR, 0, order())
    charter = counted.charter(bytes(32))
    fields = {name: getattr(charter, name) for name in Genesis.__struct_fields__}
    began = {"founded": charter.founded, "after": charter.after, "chain": charter.chain}
    without = msgspec.msgpack.encode(fields | began)

    assert encode(charter) == without
    assert charter.base[1] == digest_of("charter", without)
    assert decode(without, Charter) == charter
