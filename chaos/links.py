"""What is counted on each link of the fleet, and how it is said."""

from collections.abc import Callable, Iterable

from chaos.exchange import Failure, Finding
from chaos.fleet.exposition import Histogram, page, sample


class Link:
    """The counters of one call, and where its callee listens."""

    def __init__(self, caller: str, callee: str, port: int, *, http: bool) -> None:
        """Count the call from ``caller`` to ``callee``, which listens on ``port``."""
        self.labels = {"caller": caller, "callee": callee}
        self.port = port
        self.http = http
        self.latency = Histogram()
        self.requests = 0
        self.failures = dict.fromkeys(Failure, 0)
        self.connections = 0
        self.connect_failures = 0
        self.bytes_asked = 0
        self.bytes_answered = 0

    def count(self, findings: Iterable[Finding]) -> None:
        """Requests that are over."""
        for finding in findings:
            self.requests += 1
            self.latency.observe(finding.seconds)
            if finding.failure is not None:
                self.failures[finding.failure] += 1


def text_of(links: Iterable[Link]) -> str:
    """All links' counters as Prometheus text."""
    links = tuple(links)
    http = [link for link in links if link.http]
    latency = "link_latency_seconds"

    def counted(
        name: str, of: list[Link], value: Callable[[Link], int]
    ) -> tuple[str, str, list[str]]:
        return name, "counter", [sample(name, link.labels, value(link)) for link in of]

    every = list(links)
    reasons = "link_failures_total"
    return page(
        (
            counted("link_requests_total", http, lambda link: link.requests),
            counted("link_errors_total", http, lambda link: sum(link.failures.values())),
            (
                reasons,
                "counter",
                [
                    sample(reasons, {**link.labels, "reason": failure.value}, count)
                    for link in http
                    for failure, count in link.failures.items()
                ],
            ),
            (
                latency,
                "histogram",
                [line for link in http for line in link.latency.lines(latency, link.labels)],
            ),
            counted("link_connections_total", every, lambda link: link.connections),
            counted("link_connect_failures_total", every, lambda link: link.connect_failures),
            counted("link_asked_bytes_total", every, lambda link: link.bytes_asked),
            counted("link_answered_bytes_total", every, lambda link: link.bytes_answered),
        )
    )
