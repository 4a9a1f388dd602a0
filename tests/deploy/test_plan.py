"""What a plan shows: changes, hazards, permissions, cost, and one digest for the same thing."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.deploy.cost import standing_usd
from infra.deploy.hazards import cost_of, hazards_of
from infra.deploy.permissions import broadened
from infra.deploy.plan import Change, Cost, Hazard, Level, Plan, StackPlan, changes_of, digest
from infra.deploy.telling import plan_lines

FREE = Cost(0.0, 0.0, 100.0, ())
TABLE = "AWS::DynamoDB::Table"


def hazards(*changes: Change, new: bool = False, cost: Cost = FREE) -> list[Hazard]:
    stack = StackPlan("S", new, changes)
    return list(hazards_of([stack], {"S": ({"Resources": {}}, {})}, {}, cost))


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    document = {"Statement": list(statements)}
    resource = {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": document}}
    return {"Resources": {"Policy": resource}}


def allow(action: object, resource: object = "arn:table", **more: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


# --- changes ---------------------------------------------------------------------------------------


def test_a_change_set_is_read_in_the_order_of_its_logical_ids() -> None:
    described: list[dict[str, Any]] = [
        {"ResourceChange": {"LogicalResourceId": "B", "ResourceType": TABLE, "Action": "Add"}},
        {"Type": "Hook"},
        {
            "ResourceChange": {
                "LogicalResourceId": "A",
                "ResourceType": TABLE,
                "Action": "Modify",
                "Replacement": "Conditional",
                "PolicyAction": "ReplaceAndDelete",
                "Details": [
                    {"Target": {"Attribute": "Properties", "Name": "KeySchema"}},
                    {"Target": {"Attribute": "Tags"}},
                    {"Target": {"Attribute": "Properties", "Name": "KeySchema"}},
                ],
            }
        },
    ]

    first, second = changes_of(described)

    assert first == Change(
        "A", TABLE, "Modify", "Conditional", "ReplaceAndDelete", ("KeySchema", "Tags")
    )
    assert second == Change("B", TABLE, "Add")


# --- hazards ---------------------------------------------------------------------------------------


def test_what_holds_data_and_goes_is_a_danger() -> None:
    (hazard,) = hazards(Change("T", TABLE, "Remove"))

    assert (hazard.level, hazard.kind) == (Level.DANGER, "deletion")
    assert "data" in hazard.why


def test_what_is_retained_is_only_a_warning() -> None:
    (hazard,) = hazards(Change("T", TABLE, "Remove", policy="Retain"))

    assert hazard.level is Level.WARNING
    assert "without an owner" in hazard.why


def test_a_replacement_is_found_in_either_of_its_two_fields() -> None:
    by_field = hazards(Change("T", TABLE, "Modify", "True", properties=("KeySchema",)))
    by_policy = hazards(Change("T", TABLE, "Modify", "", "ReplaceAndDelete"))

    assert [hazard.kind for hazard in (*by_field, *by_policy)] == ["replacement", "replacement"]
    assert by_field[0].level is Level.DANGER
    assert "KeySchema" in by_field[0].why


def test_a_conditional_replacement_of_data_is_a_warning() -> None:
    (hazard,) = hazards(Change("T", TABLE, "Modify", "Conditional"))

    assert hazard.level is Level.WARNING


def test_an_addition_and_a_change_in_place_are_none() -> None:
    assert hazards(Change("T", TABLE, "Add"), Change("U", TABLE, "Modify", "False")) == []


def test_a_bucket_policy_holds_no_data() -> None:
    (hazard,) = hazards(Change("P", "AWS::S3::BucketPolicy", "Remove"))

    assert hazard.level is Level.WARNING


def test_a_stuck_stack_is_shown_with_its_way_out() -> None:
    found = hazards_of([], {}, {"S": "ROLLBACK_COMPLETE", "T": "UPDATE_ROLLBACK_FAILED"}, FREE)

    assert [(hazard.level, hazard.stack) for hazard in found] == [
        (Level.DANGER, "S"),
        (Level.WARNING, "T"),
    ]


def test_dangers_come_first() -> None:
    found = hazards(Change("A", "AWS::SQS::QueuePolicy", "Remove"), Change("B", TABLE, "Remove"))

    assert [hazard.level for hazard in found] == [Level.DANGER, Level.WARNING]


def test_a_cost_over_the_budget_is_a_warning_and_a_rise_a_note() -> None:
    (over,) = hazards(cost=Cost(0, 200, 100, ()))
    (rise,) = hazards(cost=Cost(10, 20, 100, ()))

    assert over.level is Level.WARNING
    assert rise.level is Level.NOTE
    assert hazards(cost=Cost(20, 20, 100, ())) == []


# --- permissions -----------------------------------------------------------------------------------


def test_one_more_action_is_a_broadening_and_one_less_is_none() -> None:
    old, new = policy(allow("s3:GetObject")), policy(allow(["s3:GetObject", "s3:PutObject"]))

    assert broadened(old, new) == [("Policy", "allow s3:PutObject on arn:table")]
    assert broadened(new, old) == []


def test_the_same_permissions_written_otherwise_are_no_broadening() -> None:
    old = policy(allow(["a:B", "a:C"], ["x", "y"]))
    new = policy(allow("a:C", ["y", "x"]), allow("a:B", "x"), allow("a:B", "y"))

    assert broadened(old, new) == []


def test_a_condition_or_a_denial_that_is_gone_is_a_broadening() -> None:
    condition = {"StringEquals": {"aws:SourceAccount": "1"}}
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}

    assert broadened(policy(allow("a:B", Condition=condition)), policy(allow("a:B")))
    ((_, words),) = broadened(policy(allow("a:B"), deny), policy(allow("a:B")))
    assert words.startswith("no longer denies")


def test_doors_beside_policies_count_too() -> None:
    group = {
        "Resources": {
            "G": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {
                    "SecurityGroupIngress": [
                        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
                    ]
                },
            },
            "P": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {"Action": "lambda:InvokeFunction", "Principal": "*"},
            },
            "R": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]
                },
            },
        }
    }

    words = dict(broadened({}, group))

    assert "22-22 in from 0.0.0.0/0" in words["G"]
    assert "to * from anybody there" in words["P"]
    assert "AdministratorAccess" in words["R"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Statement", "Action", "Resource", "Effect", "Policies", "PolicyDocument", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
templates = st.fixed_dictionaries(
    {
        "Resources": st.dictionaries(
            st.sampled_from("AB"),
            st.fixed_dictionaries(
                {
                    "Type": st.sampled_from(
                        ["AWS::IAM::Role", "AWS::EC2::SecurityGroup", "AWS::ECS::Service"]
                    ),
                    "Properties": st.dictionaries(
                        st.sampled_from(
                            [
                                "PolicyDocument",
                                "Policies",
                                "SecurityGroupIngress",
                                "TaskDefinition",
                                "DesiredCount",
                            ]
                        ),
                        json_values,
                        max_size=3,
                    ),
                }
            ),
            max_size=2,
        )
    }
)


# A busy machine is no reason to fail: nothing here takes long by itself.
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(templates, templates)
def test_whatever_a_template_holds_it_is_judged_and_nothing_broadens_itself(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert broadened(old, old) == []
    assert isinstance(broadened(old, new), list)
    assert standing_usd(new)[0] >= 0


# --- cost ------------------------------------------------------------------------------------------


def test_what_stands_still_is_priced_and_what_costs_by_use_is_named() -> None:
    template = {
        "Resources": {
            "Nat": {"Type": "AWS::EC2::NatGateway"},
            "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 2}},
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {"Cpu": "1024", "Memory": "2048"},
            },
            "Service": {
                "Type": "AWS::ECS::Service",
                "Properties": {"DesiredCount": 2, "TaskDefinition": {"Ref": "Task"}},
            },
            "Gateway": {"Type": "AWS::EC2::VPCEndpoint", "Properties": {}},
            "Table": {"Type": TABLE},
        }
    }

    usd, by_use = standing_usd(template)

    fargate = 2 * 730 * (0.04048 + 2 * 0.004445)
    assert abs(usd - (32.85 + 2 * 10.95 + fargate)) < 0.01
    assert by_use == {TABLE}
    assert cost_of({"S": ({}, template)}, 50.0) == Cost(0.0, round(usd, 2), 50.0, (TABLE,))


# --- the digest ------------------------------------------------------------------------------------


def a_plan(**changes: object) -> Plan:
    stack = StackPlan("S", new=False, changes=(Change("T", TABLE, "Remove"),))
    plan = Plan("dev", "AWS", "aa", (stack,), tuple(hazards(*stack.changes)), FREE)
    return msgspec.structs.replace(plan, **changes)


def test_the_digest_is_the_same_for_the_same_and_another_for_anything_else() -> None:
    assert digest(a_plan()) == digest(a_plan())
    assert (
        len({digest(a_plan(**{name: "x"})) for name in ("environment", "target", "assembly")}) == 3
    )
    assert digest(a_plan(stacks=())) != digest(a_plan())


def test_the_digest_is_the_same_after_the_plan_lay_on_disk() -> None:
    plan = a_plan(cost=Cost(0, 0, 400, ()))

    assert digest(msgspec.json.decode(msgspec.json.encode(plan), type=Plan)) == digest(plan)


def test_a_plan_is_told_with_its_hazards_and_its_digest() -> None:
    text = "\n".join(plan_lines(a_plan(), digest(a_plan())))

    assert "- AWS::DynamoDB::Table T" in text
    assert "✖ danger" in text
    assert digest(a_plan()) in text
