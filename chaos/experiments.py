"""The experiments: what is broken, drawn from a seed, and what a right answer would be (pure)."""

import random
from types import MappingProxyType

import msgspec

from chaos.faults.fault import DeployRelease, Fault, KillService, LeakFiles
from chaos.story import Expectation
from engine.vocabulary import FaultKind, ServiceName

EARLIEST_ONSET_MS = 3_000
LATEST_ONSET_MS = 8_000

BAD_RELEASES = MappingProxyType(
    {
        "gateway": "1.2.0",
        "catalog": "1.1.0",
        "cart": "1.1.0",
        "orders": "1.2.0",
        "payments": "1.1.0",
        "inventory": "1.0.1",
    }
)
"""The release of each service that fails a third of its requests; known to drills alone."""
LEAKING_RELEASES = MappingProxyType({"gateway": "1.3.0", "catalog": "1.3.0", "orders": "1.3.0"})
"""Releases that open some five files a second and close none."""
LEVEL_MS = 50_000
"""A ramp is one only beside a level: for so long the fleet is watched before something leaks."""


class UnknownExperiment(ValueError):
    """There is no experiment of that name."""


class Experiment(msgspec.Struct, frozen=True):
    """One line of the catalogue."""

    name: str
    summary: str
    needs: str = ""
    """What the machine must have, beyond what the fleet itself needs; empty for nothing."""


CATALOGUE = (
    Experiment("kill-payments", "the payments service is killed (SIGKILL)"),
    Experiment("bad-deploy", "a release that fails a third of requests goes live on a service"),
    Experiment("leak", "a release leaks open files: to be mended before customers notice"),
    Experiment("quiet", "nothing is broken: whoever acts is wrong"),
)
ALIASES = MappingProxyType({"demo": ("kill-payments", 1)})
"""Names that stand for an experiment with a seed."""


class ExperimentPlan(msgspec.Struct, frozen=True):
    """One run of an experiment: all that chance decides, decided."""

    name: str
    seed: int
    fault: Fault | None
    """None when nothing is to be broken."""
    onset_ms: int
    """How long after the start of the drill it is put in."""
    expectation: Expectation | None
    """The truth, kept by the drill; no process of fleet or swarm learns it."""
    foreseeable: bool = False
    """Whether it shows before it hurts, so that it can be mended with no impact at all."""

    @property
    def target(self) -> ServiceName | None:
        """The service that is broken."""
        return self.expectation.service if self.expectation else None


def draw(name: str, seed: int) -> ExperimentPlan:
    """The run of experiment ``name`` that ``seed`` determines.

    Raises:
        UnknownExperiment: no such name; lists those there are.
    """
    name, seed = ALIASES.get(name, (name, seed))
    chance = random.Random(f"{name}:{seed}")
    onset_ms = chance.randint(EARLIEST_ONSET_MS, LATEST_ONSET_MS)
    match name:
        case "kill-payments":
            killed = ServiceName("payments")
            truth = Expectation(killed, FaultKind.CRASH, "restart-service")
            return ExperimentPlan(name, seed, KillService(killed), onset_ms, truth)
        case "bad-deploy":
            service = ServiceName(chance.choice(sorted(BAD_RELEASES)))
            truth = Expectation(service, FaultKind.BAD_DEPLOY, "roll-back")
            fault = DeployRelease(service, BAD_RELEASES[service])
            return ExperimentPlan(name, seed, fault, onset_ms, truth)
        case "leak":
            service = ServiceName(chance.choice(sorted(LEAKING_RELEASES)))
            truth = Expectation(service, FaultKind.LEAK, "roll-back")
            leak = LeakFiles(service, LEAKING_RELEASES[service])
            return ExperimentPlan(name, seed, leak, LEVEL_MS + onset_ms, truth, foreseeable=True)
        case "quiet":
            return ExperimentPlan(name, seed, None, onset_ms, None)
        case _:
            known = ", ".join([*(known.name for known in CATALOGUE), *ALIASES])
            raise UnknownExperiment(f"no experiment {name!r}: choose one of {known}")
