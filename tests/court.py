"""A whole cluster's keys in one hand, and its council: what tests of the law speak through."""

from dataclasses import dataclass, field
from pathlib import Path

from engine import catalogue
from engine.certificate import certificate_digest, plan_digest, sign_body
from engine.charter import claim
from engine.codec import encode
from engine.council import Attempt, Council, Happening, Incident, IncidentStatus
from engine.council.docket import Convict
from engine.council.state import Proposal
from engine.genesis import ACTUATOR, PROBE, Genesis, Member
from engine.policy import DRILL_RULES, Rules
from engine.signing import Domain, Ed25519Signer, Ed25519Verifier
from engine.topology import Manifest, read_manifest
from engine.vocabulary import (
    Acted,
    Action,
    AgentId,
    Anomaly,
    Approved,
    Assessed,
    AuthorId,
    Certified,
    CommandId,
    Configured,
    Corroborated,
    Digest,
    Elapsed,
    FaultKind,
    Generation,
    Hypothesis,
    IncidentKey,
    Opened,
    Operation,
    OutcomeKind,
    Plan,
    Probed,
    Proposed,
    Recovered,
    Replaced,
    RestartService,
    Role,
    RollBack,
    ServiceName,
    Signal,
    SignalKind,
    Signed,
    Step,
    Submission,
    Verdict,
    Worse,
)

SHOP = Path(__file__).resolve().parents[1] / "assets" / "fleets" / "shop.toml"
MANIFEST = read_manifest(SHOP)
ROLES = tuple(Role)
AGENTS = tuple(AgentId(AuthorId(f"{role}-1")) for role in ROLES)
DETECTION, DIAGNOSIS, PREDICTION, RESOLUTION, COMMUNICATION = AGENTS
OPERATOR = AuthorId("alice")
OTHER_OPERATOR = AuthorId("bob")
STRANGER = AuthorId("mallory")
CHECKOUT = IncidentKey("shop/checkout#1")
PAYMENTS = ServiceName("payments")
CATALOG = ServiceName("catalog")
NOT_AFTER_MS = 1_000_000
GENERATION = Generation(4711, 1_000, "1.1.0")
VERIFIER = Ed25519Verifier()

ANOMALY = Anomaly(Signal(PAYMENTS, SignalKind.ERRORS, "orders"), 900, 10, 200, 990)


def signer_of(author: AuthorId, cluster: str = "test") -> Ed25519Signer:
    """The same key for the same name, in every run."""
    return Ed25519Signer.from_seed(f"{cluster}/{author}".encode().ljust(32, b".")[:32])


def make_genesis(
    rules: Rules = DRILL_RULES,
    manifest: Manifest = MANIFEST,
    *,
    probe: bool = False,
    name: str = "test",
) -> Genesis:
    """Five agents, two operators, an actuator and, if wanted, an SLO probe."""
    return Genesis(
        name=name,
        nonce=name.encode().ljust(32, b"."),
        epoch=0,
        n=5,
        f=1,
        agents=tuple(
            Member(agent, role, signer_of(agent, name).public_key)
            for agent, role in zip(AGENTS, ROLES, strict=True)
        ),
        operators={
            operator: signer_of(operator, name).public_key
            for operator in (OPERATOR, OTHER_OPERATOR)
        },
        actuator=signer_of(ACTUATOR, name).public_key,
        probe=signer_of(PROBE, name).public_key if probe else b"",
        policy=rules.digest,
        catalogue=catalogue.catalogue_digest(),
        manifest=manifest.digest,
    )


def plan_of(*actions: Action, service: ServiceName, not_after_ms: int = NOT_AFTER_MS) -> Plan:
    """A plan that the catalogue has nothing against."""
    return catalogue.plan(
        actions, Hypothesis(service, FaultKind.CRASH, 900), MANIFEST, not_after_ms
    )


def restart(service: str = "payments", pid: int = 4711) -> Plan:
    """A plan of low risk, or high for a database; without undo."""
    name = ServiceName(service)
    return plan_of(RestartService(name, Generation(pid, 1_000, "1.0.0")), service=name)


def roll_back(service: str = "payments", pid: int = 4711) -> Plan:
    """A plan of medium risk, which a deployment undoes."""
    name = ServiceName(service)
    return plan_of(RollBack(name, Generation(pid, 1_000, "1.1.0"), "1.0.0"), service=name)


@dataclass
class Court:
    """A council, and everyone who may speak to it."""

    rules: Rules = DRILL_RULES
    probe: bool = False
    convict: Convict | None = None
    name: str = "test"
    log: list[tuple[int, Submission, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.genesis = make_genesis(self.rules, probe=self.probe, name=self.name)
        self.council = self.new_council()
        self._counter = 0
        self._command = 0

    def new_council(self) -> Council:
        """Another council at genesis, to apply the same log to."""
        if self.convict is None:
            return Council(self.genesis, self.rules, MANIFEST, VERIFIER)
        return Council(self.genesis, self.rules, MANIFEST, VERIFIER, self.convict)

    # --- speaking -------------------------------------------------------------------------------

    def sign(self, author: AuthorId, *operations: Operation) -> tuple[Submission, bytes]:
        """A submission by ``author``, and its signed form."""
        self._counter += 1
        submission = Submission(
            self.genesis.cluster, self.genesis.epoch, author, self._counter, operations
        )
        payload = encode(submission)
        signature = signer_of(author, self.name).sign(Domain.SUBMISSION, payload)
        return submission, encode(Signed(payload, signature))

    def say(self, author: AuthorId, *operations: Operation) -> list[Happening]:
        """Have the operations ordered and applied."""
        submission, signed = self.sign(author, *operations)
        self.log.append((len(self.log) + 1, submission, signed))
        return self.council.apply(*self.log[-1])

    def all_say(self, authors: tuple[AgentId, ...], operation: Operation) -> list[Happening]:
        """Have each of ``authors`` say the same; what came of the last one."""
        happenings: list[Happening] = []
        for author in authors:
            happenings = self.say(author, operation)
        return happenings

    def ignored(self, author: AuthorId, operation: Operation) -> str:
        """Say it, expect that it is ignored without a trace, and return why."""
        before = self.council.digest()
        sequence_number = self.council.sequence_number
        happenings = self.say(author, operation)
        assert [happening.kind for happening in happenings] == ["ignored"], happenings
        now = self.council.sequence_number
        self.council.sequence_number = sequence_number
        if not isinstance(getattr(operation, "command", None), str):
            assert self.council.digest() == before, "an ignored operation left a trace"
        self.council.sequence_number = now
        return happenings[0].note

    def command(self) -> CommandId:
        """A command id that was not used before."""
        self._command += 1
        return CommandId(f"command-{self._command}")

    def replaced(self, agent: AgentId, key: str = "successor") -> Replaced:
        """An order to put a new key, made of ``key``, in an agent's place."""
        signer = signer_of(AuthorId(f"{agent} {key}"), self.name)
        constitution = self.council.genesis
        signature = claim(agent, constitution, signer)
        return Replaced(self.command(), agent, signer.public_key, signature)

    def configured(self, rules: Rules) -> Configured:
        """An order to go on by ``rules``."""
        return Configured(self.command(), encode(rules))

    # --- asking ---------------------------------------------------------------------------------

    @property
    def incident(self) -> Incident:
        """The first incident."""
        return self.council.incidents[CHECKOUT]

    def status(self) -> IncidentStatus:
        """How far the first incident has come."""
        return self.incident.status

    @property
    def attempt(self) -> Attempt:
        """The attempt of the first incident that is under way."""
        return self.incident.attempt

    @property
    def proposal(self) -> Proposal:
        """The proposal of the attempt under way that is chosen or newest."""
        live = self.attempt.live
        assert live is not None
        return live

    # --- the way through an incident ------------------------------------------------------------

    def open(self) -> None:
        """Two agents see an incident at the checkout."""
        self.say(DETECTION, Opened(CHECKOUT, (ANOMALY,)))
        self.say(PREDICTION, Corroborated(CHECKOUT, (ANOMALY,)))

    def propose(self, plan: Plan, author: AuthorId = RESOLUTION) -> Proposal:
        """Have a plan put to the council in the attempt under way."""
        self.say(author, Proposed(CHECKOUT, self.attempt.number, plan))
        (proposal,) = (p for p in self.attempt.proposals.values() if p.plan == plan)
        return proposal

    def assess(
        self,
        author: AuthorId,
        verdict: Verdict = Verdict.ACCEPT,
        score: int = 800,
        proposal: Digest | None = None,
    ) -> list[Happening]:
        """Have an agent answer."""
        digest = self.proposal.digest if proposal is None else proposal
        return self.say(author, Assessed(CHECKOUT, digest, verdict, score))

    def accept(self, *authors: AuthorId) -> None:
        """Have each of ``authors`` accept the live proposal."""
        digest = self.proposal.digest
        for author in authors:
            self.assess(author, proposal=digest)

    def approve(self, author: AuthorId = OPERATOR) -> list[Happening]:
        """Have an operator approve what he sees."""
        plan = self.proposal.plan
        return self.say(
            author,
            Approved(
                self.command(),
                CHECKOUT,
                self.incident.version,
                plan_digest(plan),
                plan.not_after_ms,
            ),
        )

    def decide(self, plan: Plan) -> None:
        """Carry ``plan`` from an open incident to a decision."""
        self.propose(plan)
        self.accept(*AGENTS[:4])

    def certification(self, agent: AgentId) -> Certified:
        """An agent's signature over what was decided."""
        body = self.attempt.body
        assert body is not None
        signature = sign_body(body, signer_of(agent, self.name))
        return Certified(CHECKOUT, self.proposal.digest, certificate_digest(body), signature)

    def certify(self, *agents: AgentId) -> None:
        """Have agents sign what was decided: a quorum unless told whom."""
        for agent in agents or AGENTS[:4]:
            self.say(agent, self.certification(agent))

    def act(
        self,
        outcome: OutcomeKind = OutcomeKind.DONE,
        step: int = 0,
        certificate: Digest | None = None,
    ) -> list[Happening]:
        """Have the actuator report."""
        name = self.certificate_name if certificate is None else certificate
        return self.say(ACTUATOR, Acted(name, step, outcome))

    @property
    def certificate_name(self) -> Digest:
        """What the certificate of the attempt under way is called."""
        body = self.attempt.body
        assert body is not None
        return certificate_digest(body)

    def run_to_acted(self, plan: Plan) -> None:
        """From nothing to a plan that was carried out."""
        if not self.council.open_incidents:
            self.open()
        self.decide(plan)
        self.certify()
        self.act()

    def elapse(self, step: Step, *authors: AgentId) -> list[Happening]:
        """Have two agents, or those named, say that a step has had its time."""
        return self.all_say(
            authors or (DETECTION, PREDICTION), Elapsed(CHECKOUT, self.attempt.number, step)
        )

    def recover(self, *authors: AgentId) -> list[Happening]:
        """Have three agents, or those named, say that it is over."""
        return self.all_say(authors or AGENTS[:3], Recovered(CHECKOUT, self.attempt.number))

    def worsen(self, *authors: AgentId) -> list[Happening]:
        """Have two agents, or those named, say that it is worse."""
        return self.all_say(authors or AGENTS[:2], Worse(CHECKOUT, self.attempt.number))

    def probe_says(self, *, green: bool, held_ms: int) -> list[Happening]:
        """Have the SLO probe speak."""
        return self.say(PROBE, Probed("checkout", len(self.log), green, held_ms))
