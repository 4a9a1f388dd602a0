"""The environments that can be deployed to, as frozen values that were checked when they were made.

What belongs to us stands here: sizes, budgets, approvals, protection. What belongs to whoever deploys,
account, region and addresses, stands in ``infra/accounts.toml``, so that a wrong account is a
difference between two files and not a slip of the hand.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from engine.codec import Malformed
from infra.placement import Placement, place

__all__ = [
    "ACCOUNTS_FILE",
    "LOCAL_ACCOUNT",
    "NAMES",
    "Approval",
    "Environment",
    "Owner",
    "Removal",
    "Sizes",
    "environment",
    "read_owners",
]

ACCOUNTS_FILE = Path(__file__).with_name("accounts.toml")
LOCAL_ACCOUNT = "123456789012"
"""The account of the emulator; AWS keeps this number for documentation, so it is nobody's."""
MAX_BAKE_S = 24 * 3600

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Approval(StrEnum):
    """Who has to agree before a plan is carried out."""

    NONE = "none"
    """Nobody: it can be thrown away."""
    PLAN = "plan"
    """A person names the digest of the plan that was shown."""
    TYPED_NAME = "typed-name"
    """The same, and types the environment's name."""


class Removal(StrEnum):
    """What becomes of data when its resource leaves a stack."""

    DESTROY = "destroy"
    RETAIN = "retain"


@dataclass(frozen=True)
class Sizes:
    """What the parts of the swarm may use, in Fargate's units (1024 CPU units are one vCPU)."""

    engine_cpu: int
    engine_memory_mib: int
    agent_cpu: int
    agent_memory_mib: int
    kinesis_shards: int
    nat_gateways: int
    log_days: int

    def __post_init__(self) -> None:
        """Refuse what Fargate would refuse an hour later."""
        for part, cpu, memory_mib in (
            ("engine", self.engine_cpu, self.engine_memory_mib),
            ("agent", self.agent_cpu, self.agent_memory_mib),
        ):
            if memory_mib not in fargate_memory_mib(cpu):
                raise ValueError(f"{part}: Fargate has no task of {cpu} CPU and {memory_mib} MiB")


def fargate_memory_mib(cpu: int) -> range | tuple[int, ...]:
    """The memory sizes that Fargate offers with ``cpu`` units (ECS developer guide, task sizes)."""
    match cpu:
        case 256:
            return (512, 1024, 2048)
        case 512:
            return range(1024, 4096 + 1, 1024)
        case 1024:
            return range(2048, 8192 + 1, 1024)
        case 2048:
            return range(4096, 16384 + 1, 1024)
        case 4096:
            return range(8192, 30720 + 1, 1024)
        case _:
            return ()


class Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose an environment is: one table of ``accounts.toml``."""

    account: str = ""
    region: str = "us-east-1"
    repository: str = ""
    """``owner/name`` on GitHub: the one repository whose workflow may deploy; empty: none may."""
    alarm_address: str = ""
    """An e-mail address that alarms and the budget write to; empty: they only show."""

    def objection(self) -> str:
        """What is wrong with it, as ``field: what``; empty when nothing is."""
        for name, value, pattern, wanted in (
            ("account", self.account, _ACCOUNT, "twelve digits"),
            ("region", self.region, _REGION, "a region such as us-east-1"),
            ("repository", self.repository, _REPOSITORY, "owner/name"),
            ("alarm_address", self.alarm_address, _ADDRESS, "an e-mail address"),
        ):
            if value and not pattern.fullmatch(value):
                return f"{name}: {value!r} is not {wanted}"
        return ""


@dataclass(frozen=True)
class Environment:
    """One place that the swarm can be deployed to."""

    name: str
    owner: Owner
    emulated: bool
    """Whether it lives in the emulator on loopback, and nowhere else."""
    agents: int
    zone_letters: str
    """The region's zones that are used, by their letters: ``abc``."""
    must_survive_zone_loss: bool
    sizes: Sizes
    budget_usd_per_month: int
    approval: Approval
    bake_s: int
    """How long the alarms are watched after a deployment before it counts as good."""
    protected: bool
    """Stacks refuse to be deleted, tables too."""
    removal: Removal
    clean_tree_only: bool
    """Only what is committed can be deployed."""
    placement: Placement = field(init=False)

    def __post_init__(self) -> None:
        """Check what one value says against what the others say.

        Raises:
            ValueError: they contradict each other; the message names the environment.
        """
        if objection := self._objection():
            raise ValueError(f"environment {self.name}: {objection}")
        object.__setattr__(self, "placement", place(self.agents, self.traitors, self.zones))
        if self.must_survive_zone_loss and not self.placement.survives_zone_loss:
            raise ValueError(
                f"environment {self.name}: {self.agents} agents in {len(self.zones)} zones are no "
                f"quorum of {self.placement.quorum} without the fullest zone"
            )

    def _objection(self) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9]{1,11}", self.name):
            return "its name is 2 to 12 small letters and digits"
        if not self.owner.account:
            return "it has no account"
        if self.emulated != (self.owner.account == LOCAL_ACCOUNT):
            return f"account {LOCAL_ACCOUNT} is the emulator's, and only the emulator's"
        if not 0 <= self.bake_s <= MAX_BAKE_S:
            return f"it cannot bake for {self.bake_s} s"
        if self.budget_usd_per_month < 1:
            return "its budget is at least one dollar"
        if self.protected and self.removal is Removal.DESTROY:
            return "what is protected cannot be destroyed with its stack"
        if self.protected and self.approval is Approval.NONE:
            return "what is protected is not changed without approval"
        return self.owner.objection()

    @property
    def account(self) -> str:
        """The twelve digits of its account."""
        return self.owner.account

    @property
    def region(self) -> str:
        """The region it lies in."""
        return self.owner.region

    @property
    def zones(self) -> tuple[str, ...]:
        """The availability zones in use, by their whole names."""
        return tuple(f"{self.region}{letter}" for letter in self.zone_letters)

    @property
    def traitors(self) -> int:
        """How many agents may lie: what the founding writes into the genesis for this size."""
        return (self.agents - 1) // 3


_SMALL = Sizes(
    engine_cpu=512,
    engine_memory_mib=1024,
    agent_cpu=256,
    agent_memory_mib=512,
    kinesis_shards=1,
    nat_gateways=1,
    log_days=7,
)
_LARGE = Sizes(
    engine_cpu=1024,
    engine_memory_mib=2048,
    agent_cpu=512,
    agent_memory_mib=1024,
    kinesis_shards=2,
    nat_gateways=4,
    log_days=365,
)

NAMES = ("local", "dev", "staging", "prod")


def environment(name: str, owners: dict[str, Owner] | None = None) -> Environment:
    """The environment called ``name``.

    Args:
        name: one of ``NAMES``.
        owners: whose the environments are; without it, what ``accounts.toml`` says.

    Raises:
        Malformed: there is none of this name, or ``accounts.toml`` does not say whose it is.
    """
    if name not in NAMES:
        raise Malformed(f"{name}: no such environment; there are {', '.join(NAMES)}")
    if name == "local":
        return _local()
    if owners is None:
        owners = read_owners(ACCOUNTS_FILE)
    owner = owners.get(name, Owner())
    if not owner.account:
        raise Malformed(f"{ACCOUNTS_FILE}: [{name}] account: whose is it? Write its twelve digits")
    try:
        return _in_the_cloud(name, owner)
    except ValueError as error:
        raise Malformed(f"{ACCOUNTS_FILE}: {error}") from None


def read_owners(path: Path) -> dict[str, Owner]:
    """Whose the environments are, from a file.

    Raises:
        Malformed: the file cannot be read, or a value in it is none; says where and what.
    """
    try:
        owners = msgspec.toml.decode(path.read_bytes(), type=dict[str, Owner])
    except OSError as error:
        raise Malformed(f"{path}: {error.strerror}; put it back from the repository") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: {error}") from None
    for name, owner in owners.items():
        if name not in NAMES or name == "local":
            raise Malformed(f"{path}: [{name}]: no account belongs to an environment of this name")
        if objection := owner.objection():
            raise Malformed(f"{path}: [{name}] {objection}")
    return owners


def _local() -> Environment:
    return Environment(
        name="local",
        owner=Owner(account=LOCAL_ACCOUNT, region="us-east-1", repository="example/local"),
        emulated=True,
        agents=5,
        zone_letters="abc",
        must_survive_zone_loss=False,
        sizes=_SMALL,
        budget_usd_per_month=1,
        approval=Approval.NONE,
        # Two looks: the emulator evaluates an alarm only when a metric comes.
        bake_s=2,
        protected=False,
        removal=Removal.DESTROY,
        clean_tree_only=False,
    )


def _in_the_cloud(name: str, owner: Owner) -> Environment:
    if name == "dev":
        return Environment(
            name=name,
            owner=owner,
            emulated=False,
            agents=5,
            # Two of the five share a zone: without it the swarm waits, and goes on when it is back.
            zone_letters="abc",
            must_survive_zone_loss=False,
            sizes=_SMALL,
            budget_usd_per_month=400,
            approval=Approval.PLAN,
            bake_s=5 * 60,
            protected=False,
            removal=Removal.DESTROY,
            clean_tree_only=False,
        )
    prod = name == "prod"
    return Environment(
        name=name,
        owner=owner,
        emulated=False,
        # n = 10, f = 3, quorum 7: four zones hold 3, 3, 2, 2, so any one may be lost.
        agents=10,
        zone_letters="abcd",
        must_survive_zone_loss=True,
        sizes=_LARGE,
        budget_usd_per_month=1500 if prod else 1200,
        approval=Approval.TYPED_NAME if prod else Approval.PLAN,
        bake_s=(30 if prod else 15) * 60,
        protected=prod,
        removal=Removal.RETAIN if prod else Removal.DESTROY,
        clean_tree_only=True,
    )
