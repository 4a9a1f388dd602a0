"""What the templates promise: each assertion is a promise of the documentation or of the law."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from engine.vocabulary import Role
from infra.app import synthesise
from infra.deploy.preflight import watched_objection
from infra.environments import Environment, environment
from infra.models import EMBEDDING_DIMENSIONS
from infra.names import Names
from infra.stacks.documents import DOCUMENTS
from infra.stacks.monitoring import watches
from infra.stacks.replica_files import OWN_FOLDER, RUN_FOLDER
from infra.stacks.roster import ROSTER, TOOLS
from main import make_parser
from tests.aws.conftest import BUILD, OWNERS

pytestmark = pytest.mark.timeout(300)
"""The synthesis, before the first of them, takes a minute on a busy machine."""

Resource = dict[str, Any]
NAMES = Names(environment("prod", OWNERS))


def template(assembly: Path, part: str) -> dict[str, Any]:
    [path] = assembly.glob(f"Ic-*-{part}.template.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def resources(assembly: Path, kind: str) -> Iterator[Resource]:
    """All resources of one type, of whatever stack."""
    for path in sorted(assembly.glob("*.template.json")):
        for resource in json.loads(path.read_bytes())["Resources"].values():
            if resource["Type"] == kind:
                yield resource


def one(assembly: Path, kind: str, **properties: object) -> Resource:
    """The one resource of a type with these properties."""
    [found] = [
        resource
        for resource in resources(assembly, kind)
        if all(resource["Properties"].get(name) == value for name, value in properties.items())
    ]
    return found


def statements(assembly: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every role, with the role's name."""
    for role in resources(assembly, "AWS::IAM::Role"):
        for policy in role["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield role["Properties"].get("RoleName", "?"), statement


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - IAM writes one thing or a list
    return value if isinstance(value, list) else [value]


# --- storage and streams ----------------------------------------------------------------------


def test_the_ledger_can_be_restored_and_is_kept(prod_assembly: Path) -> None:
    ledger = one(prod_assembly, "AWS::DynamoDB::Table", TableName="ic-prod-ledger")

    assert ledger["Properties"]["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": True
    }
    assert ledger["Properties"]["DeletionProtectionEnabled"] is True
    assert ledger["DeletionPolicy"] == ledger["UpdateReplacePolicy"] == "Retain"
    assert [key["AttributeName"] for key in ledger["Properties"]["KeySchema"]] == [
        "pk",
        "sk",
    ]


def test_nothing_of_local_outlives_its_stacks(local_assembly: Path) -> None:
    kept = [
        resource["Type"]
        for path in local_assembly.glob("*.template.json")
        for resource in json.loads(path.read_bytes())["Resources"].values()
        if resource.get("DeletionPolicy") == "Retain"
    ]

    assert kept == []


def test_what_is_at_rest_is_encrypted_with_our_key(prod_assembly: Path) -> None:
    tables = list(resources(prod_assembly, "AWS::DynamoDB::Table"))
    streams = list(resources(prod_assembly, "AWS::Kinesis::Stream"))
    queues = list(resources(prod_assembly, "AWS::SQS::Queue"))
    topics = list(resources(prod_assembly, "AWS::SNS::Topic"))
    groups = list(resources(prod_assembly, "AWS::Logs::LogGroup"))

    assert all(table["Properties"]["SSESpecification"]["SSEType"] == "KMS" for table in tables)
    assert all(stream["Properties"]["StreamEncryption"]["KeyId"] for stream in streams)
    assert all(queue["Properties"]["KmsMasterKeyId"] for queue in queues)
    assert all(topic["Properties"]["KmsMasterKeyId"] for topic in topics)
    assert all(group["Properties"]["KmsKeyId"] for group in groups)
    assert min(map(len, (tables, streams, queues, topics, groups))) >= 1


def test_an_alarm_that_nobody_can_take_is_kept_for_two_weeks(prod_assembly: Path) -> None:
    queue = one(prod_assembly, "AWS::SQS::Queue", QueueName="ic-prod-alarms-engine")
    dead = one(prod_assembly, "AWS::SQS::Queue", QueueName="ic-prod-alarms-dead")

    assert queue["Properties"]["RedrivePolicy"]["maxReceiveCount"] == 5
    assert dead["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


# --- who may do what --------------------------------------------------------------------------


def test_the_engine_alone_writes_the_ledger_and_nobody_deletes_from_it(prod_assembly: Path) -> None:
    table = NAMES.arn("dynamodb", "table/ic-prod-ledger")
    allowed = {
        (role, action)
        for role, statement in statements(prod_assembly)
        if table in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }

    assert ("ic-prod-engine", "dynamodb:PutItem") in allowed
    assert not {
        (role, action)
        for role, action in allowed
        if action.partition(":")[2]
        not in {"PutItem", "UpdateItem", "GetItem", "Query", "ConditionCheckItem", "DescribeTable"}
    }
    assert {role for role, action in allowed if action == "dynamodb:PutItem"} == {"ic-prod-engine"}


def test_whoever_sees_for_itself_has_a_queue_of_its_own(
    prod: Environment, prod_assembly: Path
) -> None:
    queues = {
        queue["Properties"]["QueueName"] for queue in resources(prod_assembly, "AWS::SQS::Queue")
    }
    readers = {"engine", *prod.placement.zone_of}

    assert queues == {"ic-prod-alarms-dead"} | {f"ic-prod-alarms-{name}" for name in readers}
    assert len(list(resources(prod_assembly, "AWS::SNS::Subscription"))) == len(readers) + 1


def test_only_the_actuator_can_change_a_fleet_and_only_what_is_tagged(prod_assembly: Path) -> None:
    changing = re.compile(
        r"ecs:(Update|Stop)|lambda:(Update|Put|Delete)|autoscaling:(Set|Terminate)|ssm:Send"
    )
    for role, statement in statements(prod_assembly):
        if any(changing.match(action) for action in listed(statement["Action"])):
            assert role == "ic-prod-actuator"
            condition = statement.get("Condition", {}).get("StringEquals", {})
            tagged = condition.get("aws:ResourceTag/incident-commander:managed") == "prod"
            documents = all(":document/ic-prod-" in arn for arn in listed(statement["Resource"]))
            assert tagged or documents


def test_a_star_stands_only_where_aws_knows_no_resource(prod_assembly: Path) -> None:
    known = {
        "aoss:BatchGetCollection",
        "bedrock:ListAgentAliases",
        "bedrock:ListAgents",
        "cloudformation:DescribeAccountLimits",
        "servicequotas:GetServiceQuota",
        "autoscaling:DescribeAutoScalingGroups",
        "cloudwatch:DescribeAlarmHistory",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
        "cloudwatch:PutMetricData",
        "ecr:GetAuthorizationToken",
        "ecs:DescribeTaskDefinition",
        "ecs:ListTasks",
        "logs:GetQueryResults",
        "logs:StopQuery",
        "ssm:GetCommandInvocation",
        "ssm:ListCommandInvocations",
    }
    starred = {
        action
        for _, statement in statements(prod_assembly)
        if "*" in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }

    assert starred == known


def test_no_role_may_do_everything_of_a_service(prod_assembly: Path) -> None:
    assert not [
        action
        for _, statement in statements(prod_assembly)
        for action in listed(statement["Action"])
        if "*" in action
    ]


def test_only_one_repository_and_environment_can_deploy(prod_assembly: Path) -> None:
    role = one(prod_assembly, "AWS::IAM::Role", RoleName="ic-prod-deploy")
    [trust] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    [allowed] = [
        statement
        for name, statement in statements(prod_assembly)
        if name == "ic-prod-deploy" and statement.get("Sid") == "TakeTheRolesOfTheBootstrap"
    ]

    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": (
                "repo:example/incident-commander:environment:prod"
            ),
        }
    }
    assert allowed["Action"] == "sts:AssumeRole"
    assert all(":role/cdk-hnb659fds-" in arn for arn in listed(allowed["Resource"]))


# --- compute ----------------------------------------------------------------------------------


def services(assembly: Path) -> dict[str, dict[str, Any]]:
    return {
        resource["Properties"]["ServiceName"]: resource["Properties"]
        for resource in resources(assembly, "AWS::ECS::Service")
    }


def test_every_agent_is_a_service_that_never_runs_twice(
    prod: Environment, prod_assembly: Path
) -> None:
    found = services(prod_assembly)
    expected = {"engine", "actuator", "bus-1", "bus-2", "bus-3", *prod.placement.zone_of}

    assert set(found) == {f"ic-prod-{part}" for part in expected}
    for service in found.values():
        assert service["DesiredCount"] == 1
        assert service["DeploymentConfiguration"]["MaximumPercent"] == 100
        assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0
        assert (
            service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
        )


def test_every_agent_lies_in_the_zone_that_the_placement_gave_it(
    prod: Environment, prod_assembly: Path
) -> None:
    zone_of_export = {}
    network = template(prod_assembly, "Networking")
    for output in network["Outputs"].values():
        reference = output["Value"].get("Ref") if isinstance(output["Value"], dict) else None
        subnet = network["Resources"].get(reference, {})
        if subnet.get("Type") == "AWS::EC2::Subnet":
            zone_of_export[output["Export"]["Name"]] = subnet["Properties"]["AvailabilityZone"]

    found = services(prod_assembly)
    for agent, zone in prod.placement.zone_of.items():
        [subnet] = found[f"ic-prod-{agent}"]["NetworkConfiguration"]["AwsvpcConfiguration"][
            "Subnets"
        ]
        assert zone_of_export[subnet["Fn::ImportValue"]] == zone


def test_the_bus_lies_in_three_zones(prod_assembly: Path) -> None:
    found = services(prod_assembly)
    subnets = {
        json.dumps(
            found[f"ic-prod-bus-{number}"]["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"]
        )
        for number in (1, 2, 3)
    }

    assert len(subnets) == 3


def test_every_replica_has_a_folder_that_nobody_else_can_mount(
    prod: Environment, prod_assembly: Path
) -> None:
    points = [
        point["Properties"]
        for point in resources(prod_assembly, "AWS::EFS::AccessPoint")
        if point["Properties"]["RootDirectory"]["Path"] != "/run"
    ]
    paths = {point["RootDirectory"]["Path"] for point in points}
    users = {point["PosixUser"]["Uid"] for point in points}
    mounted: dict[str, int] = {}
    for task in resources(prod_assembly, "AWS::ECS::TaskDefinition"):
        for volume in task["Properties"]["Volumes"]:
            if volume["Name"] == "own":
                settings = volume["EFSVolumeConfiguration"]
                point = json.dumps(settings["AuthorizationConfig"]["AccessPointId"])
                mounted[point] = mounted.get(point, 0) + 1
                assert settings["TransitEncryption"] == "ENABLED"
                assert settings["AuthorizationConfig"]["IAM"] == "ENABLED"

    parts = {"engine", "actuator", "bus", *prod.placement.zone_of}
    assert paths == {f"/own/{part}" for part in parts}
    assert len(users) == len(points)
    for point in points:
        permissions = point["RootDirectory"]["CreationInfo"]
        assert (permissions["OwnerUid"], permissions["Permissions"]) == (
            point["PosixUser"]["Uid"],
            "700",
        )
    # The three servers of the bus share theirs.
    assert sorted(mounted.values()) == [1] * (prod.agents + 2) + [3]
    assert one(prod_assembly, "AWS::EFS::FileSystem")["Properties"]["Encrypted"] is True


def test_everybody_enters_the_shared_folder_as_himself_and_the_engine_owns_it(
    prod: Environment, prod_assembly: Path
) -> None:
    points = [
        point["Properties"]
        for point in resources(prod_assembly, "AWS::EFS::AccessPoint")
        if point["Properties"]["RootDirectory"]["Path"] == "/run"
    ]
    [engine] = [
        point["Properties"]
        for point in resources(prod_assembly, "AWS::EFS::AccessPoint")
        if point["Properties"]["RootDirectory"]["Path"] == "/own/engine"
    ]

    assert len({point["PosixUser"]["Uid"] for point in points}) == prod.agents + 3
    assert {point["RootDirectory"]["CreationInfo"]["OwnerUid"] for point in points} == {
        engine["PosixUser"]["Uid"]
    }
    assert {point["RootDirectory"]["CreationInfo"]["Permissions"] for point in points} == {"755"}


def containers(assembly: Path) -> Iterator[dict[str, Any]]:
    """The container of each task that is a part of the swarm."""
    stack = template(assembly, "Compute")["Resources"].values()
    for resource in stack:
        if resource["Type"] == "AWS::ECS::TaskDefinition":
            yield from resource["Properties"]["ContainerDefinitions"]


def test_a_tasks_command_is_one_that_our_program_takes(
    prod: Environment, prod_assembly: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = set()
    for container in containers(prod_assembly):
        for variable in container["Environment"]:
            monkeypatch.setenv(variable["Name"], variable["Value"])
        words = container["Command"]

        args = make_parser(words[0]).parse_args(words)

        said.add((container["Name"], words[0]))
        assert (str(args.run_dir), str(args.private_dir)) == (RUN_FOLDER, OWN_FOLDER)
        mounts = {mount["ContainerPath"] for mount in container["MountPoints"]}
        assert {RUN_FOLDER, OWN_FOLDER} <= mounts
        if words[0] != "bus":
            assert [urlsplit(server).hostname for server in args.bus] == [
                f"bus-{number}.ic-prod.internal" for number in (1, 2, 3)
            ]
    assert {name for name, command in said if command == "agent"} == set(prod.placement.zone_of)
    assert {command for _, command in said} == {"engine", "actuator", "agent", "bus"}


def test_who_is_found_by_a_name_has_it(prod_assembly: Path) -> None:
    named = {
        service["Properties"]["Name"]
        for service in resources(prod_assembly, "AWS::ServiceDiscovery::Service")
    }
    used = set(
        re.findall(r"([a-z0-9-]+)\.ic-prod\.internal", json.dumps([*containers(prod_assembly)]))
    )

    assert named == used == {"bus-1", "bus-2", "bus-3", "actuator"}


def test_the_emulators_swarm_has_the_shape_of_an_accounts(
    prod: Environment, local: Environment, prod_assembly: Path, local_assembly: Path
) -> None:
    """What differs is the sizes, the image's name, and that one more service is there to be watched."""

    def shape(assembly: Path, place: Environment) -> dict[str, list[str]]:
        return {
            container["Name"]: [
                word.replace(f"ic-{place.name}", "ic").replace(f"/{place.name}/", "/")
                for word in container["Command"]
            ]
            for container in containers(assembly)
        }

    ours, theirs = shape(local_assembly, local), shape(prod_assembly, prod)

    assert ours.items() <= theirs.items()
    assert set(theirs) - set(ours) == set(prod.placement.zone_of) - set(local.placement.zone_of)
    assert set(services(local_assembly)) - {f"ic-local-{part}" for part in ours} == {"orders"}


def test_what_the_emulators_swarm_watches_fits_its_environment(local: Environment) -> None:
    assert watched_objection(local) == ""


def test_a_task_can_write_nothing_but_its_folders(prod_assembly: Path) -> None:
    for task in resources(prod_assembly, "AWS::ECS::TaskDefinition"):
        for container in task["Properties"]["ContainerDefinitions"]:
            assert container["ReadonlyRootFilesystem"] is True
            assert not container.get("Privileged")


def test_the_swarm_and_its_bus_reach_each_other_and_aws_only(prod_assembly: Path) -> None:
    network = template(prod_assembly, "Networking")["Resources"].values()
    inbound = {
        rule["Properties"]["FromPort"]
        for rule in network
        if rule["Type"] == "AWS::EC2::SecurityGroupIngress"
    }
    outward = {
        egress["FromPort"]
        for group in network
        if group["Type"] == "AWS::EC2::SecurityGroup"
        for egress in group["Properties"].get("SecurityGroupEgress", [])
        if egress.get("CidrIp") == "0.0.0.0/0"
    }

    assert inbound == {4222, 6222, 4230, 2049}
    assert outward == {443}


# --- the rest ---------------------------------------------------------------------------------


def test_alarms_stand_before_what_is_rolled_back_on_them(prod_assembly: Path) -> None:
    manifest = json.loads((prod_assembly / "manifest.json").read_bytes())["artifacts"]
    for part in ("Compute", "Api"):
        assert "Ic-prod-Monitoring" in manifest[f"Ic-prod-{part}"]["dependencies"]


def test_one_alarm_sums_up_all_others(prod_assembly: Path) -> None:
    names = {
        alarm["Properties"]["AlarmName"]
        for alarm in resources(prod_assembly, "AWS::CloudWatch::Alarm")
    }
    [bad] = resources(prod_assembly, "AWS::CloudWatch::CompositeAlarm")

    assert names == {f"ic-prod-{watch.name}" for watch in watches(NAMES)}
    assert set(re.findall(r'ALARM\("([^"]+)"\)', bad["Properties"]["AlarmRule"])) == names


def test_a_degraded_health_page_sets_off_the_alarm(prod_assembly: Path) -> None:
    [counted] = resources(prod_assembly, "AWS::Logs::MetricFilter")
    [metric] = counted["Properties"]["MetricTransformations"]
    alarm = one(prod_assembly, "AWS::CloudWatch::Alarm", AlarmName="ic-prod-unhealthy")

    assert alarm["Properties"]["MetricName"] == metric["MetricName"]
    assert alarm["Properties"]["Namespace"] == metric["MetricNamespace"]


def test_a_month_has_its_budget(prod: Environment, prod_assembly: Path) -> None:
    [budget] = resources(prod_assembly, "AWS::Budgets::Budget")

    assert budget["Properties"]["Budget"]["BudgetLimit"]["Amount"] == prod.budget_usd_per_month
    assert len(budget["Properties"]["NotificationsWithSubscribers"]) == 3


def test_every_role_has_its_bedrock_agent_with_an_alias_of_this_build(prod_assembly: Path) -> None:
    agents = {
        agent["Properties"]["AgentName"]: agent["Properties"]
        for agent in resources(prod_assembly, "AWS::Bedrock::Agent")
    }
    aliases = list(resources(prod_assembly, "AWS::Bedrock::AgentAlias"))

    assert set(agents) == {f"ic-prod-{role}" for role in Role}
    assert len(aliases) == len(agents)
    assert {alias["Properties"]["Description"] for alias in aliases} == {f"build {BUILD}"}
    for member in ROSTER:
        agent = agents[f"ic-prod-{member.role}"]
        [group] = agent["ActionGroups"]
        tools = {function["Name"] for function in group["FunctionSchema"]["Functions"]}
        assert tools == set(member.tools) <= set(TOOLS)
        assert group["ActionGroupExecutor"] == {"CustomControl": "RETURN_CONTROL"}
        assert agent["GuardrailConfiguration"]["GuardrailVersion"] != "DRAFT"


def test_the_knowledge_base_and_its_index_have_the_same_dimensions(prod_assembly: Path) -> None:
    [index] = resources(prod_assembly, "AWS::OpenSearchServerless::Index")
    [base] = resources(prod_assembly, "AWS::Bedrock::KnowledgeBase")
    model = base["Properties"]["KnowledgeBaseConfiguration"]["VectorKnowledgeBaseConfiguration"]

    assert EMBEDDING_DIMENSIONS == 1536
    assert index["Properties"]["Mappings"]["Properties"]["embedding"]["Dimension"] == 1536
    assert model["EmbeddingModelArn"].endswith("/amazon.titan-embed-text-v1")


def test_the_guardrail_keeps_personal_data_and_topics_out(prod_assembly: Path) -> None:
    [guardrail] = resources(prod_assembly, "AWS::Bedrock::Guardrail")
    data = guardrail["Properties"]["SensitiveInformationPolicyConfig"]["PiiEntitiesConfig"]
    topics = guardrail["Properties"]["TopicPolicyConfig"]["TopicsConfig"]

    assert {"EMAIL", "PASSWORD", "AWS_SECRET_KEY"} <= {entity["Type"] for entity in data}
    assert {topic["Type"] for topic in topics} == {"DENY"}
    assert len(topics) >= 2


def test_a_document_takes_no_word_that_a_shell_would_read(prod_assembly: Path) -> None:
    found = list(resources(prod_assembly, "AWS::SSM::Document"))

    assert len(found) == len(DOCUMENTS)
    for document in found:
        content = document["Properties"]["Content"]
        lines = content["mainSteps"][0]["inputs"]["runCommand"]
        for name, parameter in content["parameters"].items():
            for word in ("a; b", "$(a)", "`a`", "-a", "a b", "a'b", "", "a\nb"):
                assert not re.fullmatch(parameter["allowedPattern"], word)
            assert all(
                f"'{{{{ {name} }}}}'" in line for line in lines if name in line and "{{" in line
            )


def test_no_secret_stands_in_a_template(prod_assembly: Path) -> None:
    for secret in resources(prod_assembly, "AWS::SecretsManager::Secret"):
        assert "SecretString" not in secret["Properties"]
        assert secret["Properties"]["GenerateSecretString"]["PasswordLength"] >= 32


def test_prod_refuses_to_be_deleted_and_local_does_not(
    prod_assembly: Path, local_assembly: Path
) -> None:
    for assembly, protected in ((prod_assembly, True), (local_assembly, False)):
        artifacts = json.loads((assembly / "manifest.json").read_bytes())["artifacts"].values()
        stacks = [one for one in artifacts if one["type"] == "aws:cloudformation:stack"]
        assert stacks
        assert {one["properties"].get("terminationProtection", False) for one in stacks} == {
            protected
        }


def test_only_a_rehearsal_is_deployed_to_be_unhealthy(
    prod: Environment, local_assembly: Path, tmp_path: Path
) -> None:
    health = one(local_assembly, "AWS::Lambda::Function", FunctionName="ic-local-health")
    variables = health["Properties"]["Environment"]["Variables"]

    assert variables["BUILD"] == BUILD
    assert "REHEARSAL" not in variables
    with pytest.raises(ValueError, match="on the emulator, nowhere else"):
        synthesise(prod, BUILD, tmp_path, unhealthy=True)


def test_cfn_lint_has_no_objection(prod_assembly: Path) -> None:
    repository = Path(__file__).resolve().parents[2]
    linted = subprocess.run(
        [
            str(Path(sys.executable).with_name("cfn-lint")),
            *("--config-file", str(repository / "infra" / "cfnlint.yaml")),
            *("--regions", "us-west-2", "--"),
            *map(str, sorted(prod_assembly.glob("*.template.json"))),
        ],
        capture_output=True,
        text=True,
        cwd=prod_assembly,
        check=False,
    )

    assert linted.stdout == ""
    assert linted.returncode == 0, linted.stderr
