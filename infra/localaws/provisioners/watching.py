"""CloudWatch and Budgets: the alarm that sums up others, and what a month may cost."""

from typing import Any

from infra.environments import LOCAL_ACCOUNT
from infra.localaws.seam import Created, Handler, Properties, in_process_client

__all__ = ["HANDLERS"]


def _put_composite(properties: Properties) -> str:
    name = str(properties["AlarmName"])
    in_process_client("cloudwatch").put_composite_alarm(
        AlarmName=name,
        AlarmRule=properties["AlarmRule"],
        AlarmDescription=properties.get("AlarmDescription", ""),
        AlarmActions=properties.get("AlarmActions", []),
    )
    return name


def _create_composite(_logical_id: str, properties: Properties) -> Created:
    name = _put_composite(properties)
    return name, {"Arn": f"arn:aws:cloudwatch:us-east-1:{LOCAL_ACCOUNT}:alarm:{name}"}


def _update_composite(name: str, properties: Properties) -> dict[str, Any]:
    _put_composite(properties)
    return {"Arn": f"arn:aws:cloudwatch:us-east-1:{LOCAL_ACCOUNT}:alarm:{name}"}


def _delete_composite(name: str, _properties: Properties) -> None:
    in_process_client("cloudwatch").delete_alarms(AlarmNames=[name])


def _budget(properties: Properties) -> dict[str, Any]:
    """A budget as the API wants it: CloudFormation writes its amount as a number."""
    budget = dict(properties["Budget"])
    limit = budget["BudgetLimit"]
    return {**budget, "BudgetLimit": {"Amount": str(limit["Amount"]), "Unit": limit["Unit"]}}


def _create_budget(_logical_id: str, properties: Properties) -> Created:
    in_process_client("budgets").create_budget(
        AccountId=LOCAL_ACCOUNT,
        Budget=_budget(properties),
        NotificationsWithSubscribers=properties.get("NotificationsWithSubscribers", []),
    )
    return str(properties["Budget"]["BudgetName"]), {}


def _delete_budget(name: str, _properties: Properties) -> None:
    in_process_client("budgets").delete_budget(AccountId=LOCAL_ACCOUNT, BudgetName=name)


HANDLERS = {
    "AWS::CloudWatch::CompositeAlarm": Handler(
        _create_composite, _delete_composite, _update_composite
    ),
    "AWS::Budgets::Budget": Handler(_create_budget, _delete_budget),
}
