"""API: health and webhooks over HTTP, and how things stand over a WebSocket."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.stacks.function import add_function
from infra.stacks.monitoring import METRICS, UNHEALTHY, Monitoring
from infra.stacks.part import Part, explain
from infra.stacks.security import Security
from infra.stacks.storage import Storage
from infra.stacks.streams import Streams, retention

__all__ = ["Api", "build_api"]

WEBSOCKET_STAGE = "live"
REQUESTS_PER_S = 50
BURST = 100
ACCESS_LOG = (
    '{"at":"$context.requestTime","from":"$context.identity.sourceIp","route":"$context.routeKey",'
    '"status":"$context.status","request":"$context.requestId"}'
)


@dataclass(frozen=True)
class Api:
    """What other stacks need of it."""

    stack: cdk.Stack


def build_api(
    part: Part, security: Security, storage: Storage, streams: Streams, monitoring: Monitoring
) -> Api:
    """Three functions, an HTTP API before two of them and a WebSocket API before the third."""
    stack = part.stack(
        "Api",
        "health, webhooks and screens",
        security.stack,
        storage.stack,
        streams.stack,
        # The alarms that a bad update sets off are there before it.
        monitoring.stack,
    )
    webhook_secret = _secret(part, stack, security, "Webhook")
    screen_secret = _secret(part, stack, security, "Screens")
    health = _health(part, stack, security)
    webhook = _webhook(part, stack, security, webhook_secret)
    screens = _screens(part, stack, security, screen_secret)
    log = logs.LogGroup(
        stack,
        "AccessLog",
        log_group_name=part.names.log_group("api"),
        encryption_key=security.key,
        retention=retention(part.environment.sizes.log_days),
        removal_policy=part.removal,
    )
    _http(part, stack, log, health, webhook)
    _websocket(part, stack, log, screens)
    for name, value in (
        ("HealthFunction", health.function_name),
        ("WebhookSecretName", part.names.of("webhook")),
        ("ScreensSecretName", part.names.of("screens")),
    ):
        cdk.CfnOutput(stack, name, value=value)
    return Api(stack)


def _secret(
    part: Part, stack: cdk.Stack, security: Security, identity: str
) -> secretsmanager.Secret:
    secret = secretsmanager.Secret(
        stack,
        f"{identity}Secret",
        secret_name=part.names.of(identity.lower()),
        description=f"What callers of the {identity.lower()} function show or sign with",
        encryption_key=security.key,
        generate_secret_string=secretsmanager.SecretStringGenerator(
            password_length=48, exclude_punctuation=True
        ),
        removal_policy=part.removal,
    )
    explain(
        secret,
        "AwsSolutions-SMG4",
        "Its other half lies with systems of others: it is changed together with them, by hand",
    )
    return secret


def _health(part: Part, stack: cdk.Stack, security: Security) -> lambda_.Function:
    names = part.names
    function = add_function(
        part,
        stack,
        names.health_function,
        "health",
        security.key,
        {
            "LEDGER_TABLE": names.ledger_table,
            "STATE_TABLE": names.state_table,
            **({"REHEARSAL": "unhealthy"} if part.unhealthy else {}),
        },
        [
            iam.PolicyStatement(
                actions=["dynamodb:GetItem"],
                resources=[
                    names.arn("dynamodb", f"table/{names.ledger_table}"),
                    names.arn("dynamodb", f"table/{names.state_table}"),
                ],
            )
        ],
    )
    logs.MetricFilter(
        stack,
        "Degraded",
        log_group=function.log_group,
        filter_name=names.of("degraded"),
        filter_pattern=logs.FilterPattern.string_value("$.status", "=", "degraded"),
        metric_namespace=METRICS,
        metric_name=UNHEALTHY,
        metric_value="1",
        dimensions={"Environment": "$.environment"},
    )
    return function


def _webhook(
    part: Part, stack: cdk.Stack, security: Security, secret: secretsmanager.Secret
) -> lambda_.Function:
    topic = part.names.arn("sns", part.names.alarm_topic)
    return add_function(
        part,
        stack,
        part.names.webhook_function,
        "webhook",
        security.key,
        {"ALARM_TOPIC": topic, "SECRET": secret.secret_arn},
        [
            iam.PolicyStatement(actions=["sns:Publish"], resources=[topic]),
            _may_read(secret),
        ],
    )


def _screens(
    part: Part, stack: cdk.Stack, security: Security, secret: secretsmanager.Secret
) -> lambda_.Function:
    table = part.names.state_table
    return add_function(
        part,
        stack,
        part.names.screens_function,
        "screens",
        security.key,
        {"STATE_TABLE": table, "SECRET": secret.secret_arn},
        [
            iam.PolicyStatement(
                actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"],
                resources=[part.names.arn("dynamodb", f"table/{table}")],
            ),
            _may_read(secret),
        ],
    )


def _may_read(secret: secretsmanager.Secret) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=["secretsmanager:GetSecretValue"], resources=[secret.secret_arn]
    )


def _http(
    part: Part,
    stack: cdk.Stack,
    log: logs.LogGroup,
    health: lambda_.Function,
    webhook: lambda_.Function,
) -> None:
    api = apigateway.HttpApi(
        stack, "Http", api_name=part.names.of("http"), create_default_stage=False
    )
    routes = (
        # Not ``/health``: the emulator keeps that one for itself, on every host.
        ("/v1/health", apigateway.HttpMethod.GET, health),
        ("/v1/alarms", apigateway.HttpMethod.POST, webhook),
    )
    for path, method, function in routes:
        added = api.add_routes(
            path=path,
            methods=[method],
            integration=integrations.HttpLambdaIntegration(f"To{function.node.id}", function),
        )
        for route in added:
            explain(
                route,
                "AwsSolutions-APIG4",
                "Health is public and says nothing secret; an alarm carries an HMAC over its body",
            )
    stage = apigateway.HttpStage(
        stack,
        "HttpStage",
        http_api=api,
        stage_name="$default",
        auto_deploy=True,
        throttle=apigateway.ThrottleSettings(rate_limit=REQUESTS_PER_S, burst_limit=BURST),
    )
    _log_access(stage, log)
    cdk.CfnOutput(stack, "HttpApiId", value=api.api_id)
    cdk.CfnOutput(stack, "HealthUrl", value=f"{api.api_endpoint}/v1/health")


def _websocket(part: Part, stack: cdk.Stack, log: logs.LogGroup, screens: lambda_.Function) -> None:
    def route(identity: str, *, answers: bool = False) -> apigateway.WebSocketRouteOptions:
        return apigateway.WebSocketRouteOptions(
            integration=integrations.WebSocketLambdaIntegration(identity, screens),
            return_response=answers,
        )

    api = apigateway.WebSocketApi(
        stack,
        "WebSocket",
        api_name=part.names.of("websocket"),
        connect_route_options=route("OnConnect"),
        disconnect_route_options=route("OnDisconnect"),
        default_route_options=route("OnMessage", answers=True),
    )
    explain(
        api,
        "AwsSolutions-APIG4",
        "The function behind $connect refuses whoever does not show the token in a header",
    )
    stage = apigateway.WebSocketStage(
        stack,
        "WebSocketStage",
        web_socket_api=api,
        stage_name=WEBSOCKET_STAGE,
        auto_deploy=True,
        throttle=apigateway.ThrottleSettings(rate_limit=REQUESTS_PER_S, burst_limit=BURST),
    )
    _log_access(stage, log)
    cdk.CfnOutput(stack, "WebSocketApiId", value=api.api_id)
    cdk.CfnOutput(stack, "WebSocketUrl", value=stage.url)


def _log_access(
    stage: apigateway.HttpStage | apigateway.WebSocketStage, log: logs.LogGroup
) -> None:
    """Write a line for every request; the constructs have no plain option for it."""
    plain = stage.node.default_child
    assert isinstance(plain, apigateway.CfnStage)
    plain.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
        destination_arn=log.log_group_arn, format=ACCESS_LOG
    )
