"""What everything in an environment is called: pure, so that roles can name what they may touch.

Fixed names and no exports between stacks: an export cannot change while another stack reads it,
which is the usual way for a roll-back to get stuck. A name also lets the engine find its table, a
policy allow one queue, and a person read a bill.
"""

from dataclasses import dataclass

from engine.vocabulary import AgentId
from infra.environments import Environment

__all__ = ["Names"]

PREFIX = "ic"


@dataclass(frozen=True)
class Names:
    """The names and ARNs of one environment."""

    environment: Environment

    @property
    def prefix(self) -> str:
        """What all names begin with, for instance ``ic-dev``."""
        return f"{PREFIX}-{self.environment.name}"

    def of(self, what: str) -> str:
        """The name of ``what`` in this environment."""
        return f"{self.prefix}-{what}"

    def stack(self, part: str) -> str:
        """The name of a stack: ``Ic-dev-Storage``."""
        return f"Ic-{self.environment.name}-{part}"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account and region."""
        place = self.environment
        return f"arn:aws:{service}:{place.region}:{place.account}:{resource}"

    # --- storage --------------------------------------------------------------------------------

    @property
    def ledger_table(self) -> str:
        """The table that the ledger is mirrored to."""
        return self.of("ledger")

    @property
    def state_table(self) -> str:
        """The table of what is true for a while: heartbeats, canaries, connections."""
        return self.of("state")

    @property
    def archive_bucket(self) -> str:
        """The bucket of exports and reports; bucket names are shared by the whole world."""
        return f"{self.of('archive')}-{self.environment.account}-{self.environment.region}"

    @property
    def access_log_bucket(self) -> str:
        """The bucket that says who read the archive."""
        return f"{self.of('access')}-{self.environment.account}-{self.environment.region}"

    # --- streams --------------------------------------------------------------------------------

    @property
    def event_stream(self) -> str:
        """The Kinesis stream of everything that was ordered."""
        return self.of("events")

    @property
    def event_bus(self) -> str:
        """The EventBridge bus for whoever wants to react."""
        return self.of("bus")

    @property
    def alarm_topic(self) -> str:
        """Where alarms of the watched fleet arrive."""
        return self.of("alarms")

    def alarm_queue(self, process: str) -> str:
        """Where they wait until one process has taken them: the engine, or an agent by its name.

        Each has its own, because a message goes to one reader only, and each sees for itself.
        """
        return self.of(f"alarms-{process}")

    @property
    def alarm_dead_letters(self) -> str:
        """Where an alarm ends that the engine failed to take, again and again."""
        return self.of("alarms-dead")

    @property
    def people_topic(self) -> str:
        """Where people are told."""
        return self.of("people")

    # --- compute --------------------------------------------------------------------------------

    @property
    def cluster(self) -> str:
        """The ECS cluster."""
        return self.of("swarm")

    @property
    def internal_domain(self) -> str:
        """The private DNS zone of the swarm."""
        return f"{self.prefix}.internal"

    def service(self, part: str | AgentId) -> str:
        """The ECS service, task family or role of one part of the swarm."""
        return self.of(part)

    def log_group(self, part: str) -> str:
        """Where a part's log goes."""
        return f"/incident-commander/{self.environment.name}/{part}"

    @property
    def health_function(self) -> str:
        """The Lambda that answers for the whole."""
        return self.of("health")

    @property
    def webhook_function(self) -> str:
        """The Lambda that takes alarms from other systems."""
        return self.of("webhook")

    @property
    def screens_function(self) -> str:
        """The Lambda behind the WebSocket API."""
        return self.of("screens")
