"""Monitoring: alarms, one board, one budget.

It comes before what it watches, and names that by its name: CloudFormation can only roll back on an
alarm that exists before the update begins, and so can the bake after it.
"""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions

from infra.names import Names
from infra.stacks.part import Part
from infra.stacks.streams import Streams

__all__ = ["METRICS", "UNHEALTHY", "Monitoring", "build_monitoring"]

METRICS = "IncidentCommander"
"""The namespace of our own metrics."""
UNHEALTHY = "Unhealthy"
"""Counts the times that the health page said degraded."""
BUDGET_STEPS = ((80, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED"))


@dataclass(frozen=True)
class Watch:
    """One alarm: a metric, and when it is too much."""

    name: str
    why: str
    metric: cloudwatch.Metric
    threshold: float
    minutes: int
    silence_is_bad: bool = False


@dataclass(frozen=True)
class Monitoring:
    """What other stacks need of it."""

    stack: cdk.Stack
    bad: cloudwatch.CfnCompositeAlarm


def build_monitoring(part: Part, streams: Streams) -> Monitoring:
    """An alarm for everything that a deployment must not break, and one that sums them up."""
    stack = part.stack("Monitoring", "alarms, board and budget", streams.stack)
    people = actions.SnsAction(streams.people)
    alarms = []
    for watch in watches(part.names):
        alarm = cloudwatch.Alarm(
            stack,
            watch.name,
            alarm_name=part.names.of(watch.name),
            alarm_description=watch.why,
            metric=watch.metric,
            threshold=watch.threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=watch.minutes,
            datapoints_to_alarm=watch.minutes,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING
            if watch.silence_is_bad
            else cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(people)
        alarm.add_ok_action(people)
        alarms.append(alarm)
    bad = cloudwatch.CfnCompositeAlarm(
        stack,
        "Bad",
        alarm_name=part.names.of("bad"),
        alarm_description="Something that a deployment must not break is broken: roll back",
        alarm_rule=" OR ".join(
            f'ALARM("{part.names.of(watch.name)}")' for watch in watches(part.names)
        ),
    )
    for alarm in alarms:
        bad.node.add_dependency(alarm)
    _board(part, stack, alarms)
    _budget(part, stack)
    cdk.CfnOutput(stack, "BadAlarm", value=part.names.of("bad"))
    return Monitoring(stack, bad)


def watches(names: Names) -> list[Watch]:
    """What is watched."""
    environment = {"Environment": names.environment.name}
    return [
        Watch(
            "unhealthy",
            "The health page says degraded",
            _metric(METRICS, UNHEALTHY, environment, "Sum"),
            0,
            2,
        ),
        Watch(
            "dead-letters",
            "An alarm of the fleet could not be taken: nobody looks at it",
            _metric(
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                {"QueueName": names.alarm_dead_letters},
                "Maximum",
            ),
            0,
            1,
        ),
        Watch(
            "alarms-wait",
            "Alarms of the fleet wait for the engine",
            _metric(
                "AWS/SQS",
                "ApproximateAgeOfOldestMessage",
                {"QueueName": names.alarm_queue("engine")},
                "Maximum",
            ),
            120,
            3,
        ),
        Watch(
            "ledger-throttled",
            "The ledger's table refuses writes for their number",
            _metric("AWS/DynamoDB", "ThrottledRequests", {"TableName": names.ledger_table}, "Sum"),
            0,
            5,
        ),
        Watch(
            "events-refused",
            "The stream of events takes no more: shards are too few",
            _metric(
                "AWS/Kinesis",
                "WriteProvisionedThroughputExceeded",
                {"StreamName": names.event_stream},
                "Sum",
            ),
            0,
            5,
        ),
        Watch(
            "no-quorum",
            "Fewer agents than a quorum answer: nothing is decided until they are back",
            _metric(METRICS, "QuorumMissing", environment, "Maximum"),
            0,
            2,
        ),
        *(
            Watch(
                f"{name}-fails",
                f"The function {name} fails",
                _metric("AWS/Lambda", "Errors", {"FunctionName": function}, "Sum"),
                0,
                2,
            )
            for name, function in (
                ("health", names.health_function),
                ("webhook", names.webhook_function),
                ("screens", names.screens_function),
            )
        ),
    ]


def _metric(
    namespace: str, name: str, dimensions: dict[str, str], statistic: str
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=cdk.Duration.minutes(1),
    )


def _board(part: Part, stack: cdk.Stack, alarms: list[cloudwatch.Alarm]) -> None:
    """One page: what is wrong now, and each watched metric with its limit."""
    board = cloudwatch.Dashboard(stack, "Board", dashboard_name=part.names.of("board"))
    board.add_widgets(
        cloudwatch.AlarmStatusWidget(title="Now", alarms=list(alarms), width=24, height=4)
    )
    board.add_widgets(
        *(
            cloudwatch.AlarmWidget(title=watch.why, alarm=alarm, width=8, height=6)
            for watch, alarm in zip(watches(part.names), alarms, strict=True)
        )
    )


def _budget(part: Part, stack: cdk.Stack) -> None:
    """What a month may cost, counted over everything with the environment's tag."""
    address = part.environment.owner.alarm_address
    subscriber = budgets.CfnBudget.SubscriberProperty(address=address, subscription_type="EMAIL")
    budgets.CfnBudget(
        stack,
        "Budget",
        budget=budgets.CfnBudget.BudgetDataProperty(
            budget_name=part.names.of("month"),
            budget_type="COST",
            time_unit="MONTHLY",
            budget_limit=budgets.CfnBudget.SpendProperty(
                amount=part.environment.budget_usd_per_month, unit="USD"
            ),
            cost_filters={
                "TagKeyValue": [f"user:incident-commander:environment${part.environment.name}"]
            },
        ),
        notifications_with_subscribers=[
            budgets.CfnBudget.NotificationWithSubscribersProperty(
                notification=budgets.CfnBudget.NotificationProperty(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                ),
                subscribers=[subscriber],
            )
            for percent, kind in BUDGET_STEPS
        ]
        if address
        else None,
    )
