"""A service as an ECS task: tells CloudWatch once a second how many requests failed.

``python -m infra.localaws.watched_service SERVICE``. It is well until it gets SIGUSR1; from then on requests fail, and
only another run of it is well again. What it says is measured from its own state, nothing else.
"""

import signal
import sys
import time

import boto3

ill = False


def _fall_ill(_number: int, _frame: object) -> None:
    global ill
    ill = True


def main(service: str) -> None:
    """Serve until ended."""
    signal.signal(signal.SIGUSR1, _fall_ill)
    cloudwatch = boto3.client("cloudwatch")
    while True:
        datum = {
            "MetricName": "Errors",
            "Dimensions": [{"Name": "ServiceName", "Value": service}],
            "Value": float(ill),
            "StorageResolution": 1,
        }
        cloudwatch.put_metric_data(Namespace="Shop", MetricData=[datum])
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1])
