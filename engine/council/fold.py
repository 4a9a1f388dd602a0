"""The council's fold: what each ordered operation means (pure, deterministic, no clock).

Every agent, the engine and the offline verifier run this same fold over the same log. An operation
counts or is ignored; what follows from it (an incident is opened, a plan is decided, a certificate
is complete, an attempt is over) is told as further happenings.
"""

from collections.abc import Callable, Iterator

from engine.act import catalogue
from engine.certificate import (
    approval_digest,
    certificate_digest,
    plan_digest,
    undo_digest,
)
from engine.codec import digest_of, encode
from engine.council import authority, deciding
from engine.council.state import (
    Attempt,
    Happening,
    Incident,
    IncidentStatus,
    ProbeState,
    Proposal,
    proposal_digest,
)
from engine.genesis import Genesis
from engine.policy import Rules
from engine.signing import Domain, Verifier
from engine.topology import Manifest
from engine.vocabulary import (
    Acted,
    AgentId,
    Approved,
    Assessed,
    AuthorId,
    Certificate,
    CertificateBody,
    Certified,
    CommandId,
    Configured,
    Convicted,
    Corroborated,
    Diagnosed,
    Digest,
    Elapsed,
    Frozen,
    IncidentKey,
    Noted,
    Opened,
    Operation,
    OutcomeKind,
    Policy,
    Probed,
    Proposed,
    Recovered,
    Refused,
    Replaced,
    Step,
    Submission,
    TakenOver,
    Thawed,
    Undone,
    UndoRequested,
    Warned,
    Worse,
)

Convict = Callable[[Convicted], bool]
"""Whether the two messages really convict the culprit: consensus's own evidence check."""

MAX_OPEN_INCIDENTS = 16
"""More are ignored: a storm is one incident, and f+1 agents must see each."""
MAX_CLOSED_INCIDENTS = 64
"""Closed incidents kept in the fold; older ones are in the ledger."""


class Ignored(Exception):
    """The operation does not count; the message says why. No error: the log may hold such."""


def _refuse_all(_: Convicted) -> bool:
    return False


class Council:
    """The state of everything that the council has in hand."""

    def __init__(
        self,
        genesis: Genesis,
        rules: Rules,
        manifest: Manifest,
        verifier: Verifier,
        convict: Convict = _refuse_all,
    ) -> None:
        """Begin at genesis, with the rules and the manifest that it pins."""
        self.genesis = genesis
        self.rules = rules
        self.manifest = manifest
        self.sequence_number = 0
        self.frozen = False
        self.incidents: dict[IncidentKey, Incident] = {}
        self.closed = 0
        """Incidents closed so far, also those no longer kept."""
        self.opened = 0
        """Incidents claimed so far; the running number of the newest."""
        self.probes: dict[str, ProbeState] = {}
        self.convicted: set[AgentId] = set()
        self.pending_epoch: list[Replaced | Configured] = []
        self._commands: set[tuple[AuthorId, CommandId]] = set()
        self._verifier = verifier
        self._convict = convict

    # --- questions ------------------------------------------------------------------------------

    @property
    def open_incidents(self) -> list[Incident]:
        """Incidents that are not closed, oldest first."""
        return [incident for incident in self.incidents.values() if not incident.status.is_closed]

    def next_key(self, subject: str) -> IncidentKey:
        """The key that a new incident about ``subject`` would have."""
        return IncidentKey(f"{self.manifest.name}/{subject}#{self.opened + 1}")

    def digest(self) -> Digest:
        """A digest of the whole state: equal in all agents that applied the same log."""
        commands = sorted(f"{author}\0{command}" for author, command in self._commands)
        return digest_of(
            "council",
            encode((self.sequence_number, self.frozen, self.opened, self.closed)),
            encode(list(self.incidents.values())),
            encode(self.probes),
            encode(sorted(self.convicted)),
            encode(self.pending_epoch),
            encode(commands),
        )

    # --- the fold -------------------------------------------------------------------------------

    def apply(self, sequence_number: int, submission: Submission, signed: bytes) -> list[Happening]:
        """Apply one ordered submission, whose signature consensus has checked.

        ``signed`` is its encoded ``Signed`` form, kept where it serves as proof to the actuator.
        """
        self.sequence_number = sequence_number
        happenings: list[Happening] = []
        for operation in submission.operations:
            happenings += self._apply_one(operation, submission.author, signed)
        return happenings

    def _apply_one(self, operation: Operation, author: AuthorId, signed: bytes) -> list[Happening]:
        key = getattr(operation, "incident", None)
        tag = str(operation.__struct_config__.tag)
        try:
            if not authority.may_sign(operation, author, self.genesis):
                raise Ignored("its author has no authority for it")
            if author in self.convicted:
                raise Ignored("its author is convicted")
            consequences = list(self._count(operation, author, signed))
        except Ignored as ignored:
            return [self._happening("ignored", author, key, operation, str(ignored))]
        first = self._happening(tag, author, key, operation, "")
        return [first, *consequences]

    def _happening(
        self,
        kind: str,
        author: AuthorId,
        key: IncidentKey | None = None,
        operation: Operation | None = None,
        note: str = "",
    ) -> Happening:
        return Happening(self.sequence_number, kind, author, key, operation, note)

    def _count(  # noqa: C901 -- the authority table, row by row
        self, operation: Operation, author: AuthorId, signed: bytes
    ) -> Iterator[Happening]:
        match operation:
            case Opened():
                yield from self._opened(operation, author)
            case Corroborated():
                yield from self._corroborated(operation, author)
            case Diagnosed():
                yield from self._diagnosed(operation, author)
            case Warned():
                self._duty(operation, author, None)
            case Proposed():
                yield from self._proposed(operation, author)
            case Assessed():
                yield from self._assessed(operation, author)
            case Certified():
                yield from self._certified(operation, author)
            case Acted():
                yield from self._acted(operation, author)
            case Undone():
                yield from self._undone(operation, author)
            case Worse():
                yield from self._worse(operation, author, signed)
            case Recovered():
                yield from self._recovered(operation, author)
            case Elapsed():
                yield from self._elapsed(operation, author)
            case Probed():
                yield from self._probed(operation, author)
            case Convicted():
                self._convicted(operation)
            case _:
                self._once(operation.command, author)
                yield from self._commanded(operation, author, signed)

    def _commanded(
        self,
        operation: Approved
        | Refused
        | Frozen
        | Thawed
        | TakenOver
        | Noted
        | UndoRequested
        | Replaced
        | Configured,
        author: AuthorId,
        signed: bytes,
    ) -> Iterator[Happening]:
        match operation:
            case Frozen():
                self.frozen = True
            case Thawed():
                self.frozen = False
                for incident in self.open_incidents:
                    yield from self._try_to_decide(incident, author)
            case Approved():
                yield from self._approved(operation, author)
            case Refused():
                yield from self._refused(operation, author)
            case TakenOver():
                incident = self._seen(operation.incident, operation.version)
                incident.move(IncidentStatus.TAKEN_OVER)
            case Noted():
                self._incident(operation.incident)
            case UndoRequested():
                yield from self._undo_requested(operation, author, signed)
            case Replaced() | Configured():
                self.pending_epoch.append(operation)

    # --- identity and lookup ----------------------------------------------------------------------

    def _once(self, command: CommandId, author: AuthorId) -> None:
        if (author, command) in self._commands:
            raise Ignored("this command was ordered before")
        self._commands.add((author, command))

    def _incident(self, key: IncidentKey) -> Incident:
        incident = self.incidents.get(key)
        if incident is None or incident.status.is_closed:
            raise Ignored("no such open incident")
        return incident

    def _seen(self, key: IncidentKey, version: int) -> Incident:
        """The incident, if it is still what the operator saw."""
        incident = self._incident(key)
        if incident.version != version:
            raise Ignored(f"the incident is at version {incident.version}, not {version}")
        return incident

    def _current(self, key: IncidentKey, attempt: int) -> tuple[Incident, Attempt]:
        incident = self._incident(key)
        if not incident.attempts or incident.attempt.number != attempt:
            raise Ignored("not about the attempt under way")
        return incident, incident.attempt

    def _duty(self, operation: Operation, author: AuthorId, attempt: Attempt | None) -> None:
        step = authority.needs_deputy(operation, author, self.genesis)
        if step is None:
            return
        elapsed = attempt.elapsed.get(step, set()) if attempt else set()
        if len(elapsed) <= self.genesis.f:
            raise Ignored("another role's duty, and its time is not over")

    def _by_certificate(self, certificate: Digest) -> tuple[Incident, Attempt]:
        for incident in self.incidents.values():
            for attempt in incident.attempts:
                if attempt.body is not None and certificate_digest(attempt.body) == certificate:
                    return incident, attempt
        raise Ignored("no such certificate")

    # --- seeing -----------------------------------------------------------------------------------

    def _opened(self, operation: Opened, author: AuthorId) -> Iterator[Happening]:
        existing = self.incidents.get(operation.incident)
        if existing is not None:
            yield from self._witness(existing, author, operation)
            return
        subject = operation.incident.removeprefix(f"{self.manifest.name}/").rpartition("#")[0]
        if operation.incident != self.next_key(subject):
            raise Ignored("not the next running number")
        if subject != self.manifest.objective.subject and self.manifest.spec(subject) is None:
            raise Ignored("its subject is neither the objective nor a service")
        if len(self.open_incidents) >= MAX_OPEN_INCIDENTS:
            raise Ignored(f"{MAX_OPEN_INCIDENTS} incidents are open")
        if any(incident.subject == subject for incident in self.open_incidents):
            raise Ignored("an incident about this subject is open")
        self.opened += 1
        self.incidents[operation.incident] = Incident(
            key=operation.incident,
            subject=subject,
            status=IncidentStatus.CLAIMED,
            opened_at=self.sequence_number,
            anomalies=operation.anomalies,
            witnesses={author: operation.anomalies},
            attempts=[Attempt(0)],
        )

    def _corroborated(self, operation: Corroborated, author: AuthorId) -> Iterator[Happening]:
        yield from self._witness(self._incident(operation.incident), author, operation)

    def _witness(
        self, incident: Incident, author: AuthorId, operation: Opened | Corroborated
    ) -> Iterator[Happening]:
        if incident.status.is_closed or author in incident.witnesses:
            raise Ignored("this agent has spoken, or the incident is closed")
        incident.witnesses[author] = operation.anomalies
        if incident.status is IncidentStatus.CLAIMED and len(incident.witnesses) > self.genesis.f:
            incident.attempts = [Attempt(1)]
            incident.move(IncidentStatus.OPEN)
            yield self._happening("open", author, incident.key)

    def _probed(self, operation: Probed, author: AuthorId) -> Iterator[Happening]:
        last = self.probes.get(operation.subject)
        if operation.subject != self.manifest.objective.subject:
            raise Ignored("a subject that the manifest does not know")
        if last is not None and operation.counter <= last.counter:
            raise Ignored("older than what the probe said before")
        self.probes[operation.subject] = ProbeState(
            operation.counter, operation.green, operation.held_ms
        )
        for incident in self.open_incidents:
            yield from self._try_to_close(incident, author)

    # --- diagnosing and proposing -------------------------------------------------------------------

    def _diagnosed(self, operation: Diagnosed, author: AuthorId) -> Iterator[Happening]:
        incident, attempt = self._current(operation.incident, operation.attempt)
        if incident.status not in {IncidentStatus.OPEN, IncidentStatus.DIAGNOSED}:
            raise Ignored(f"the incident is {incident.status}")
        self._duty(operation, author, attempt)
        if author in attempt.diagnoses:
            raise Ignored("this agent has diagnosed this attempt")
        named = (*operation.hypotheses, *operation.ruled_out)
        if any(self.manifest.spec(hypothesis.service) is None for hypothesis in named):
            raise Ignored("suspects a service that is not in the manifest")
        attempt.diagnoses[author] = operation
        incident.move(IncidentStatus.DIAGNOSED)
        yield from ()

    def _proposed(self, operation: Proposed, author: AuthorId) -> Iterator[Happening]:
        incident, attempt = self._current(operation.incident, operation.attempt)
        if incident.status not in {
            IncidentStatus.OPEN,
            IncidentStatus.DIAGNOSED,
            IncidentStatus.PROPOSED,
        }:
            raise Ignored(f"the incident is {incident.status}")
        self._duty(operation, author, attempt)
        if any(p.author == author and not p.refused for p in attempt.proposals.values()):
            raise Ignored("this agent has a live proposal")
        digest = proposal_digest(author, operation)
        if digest in attempt.proposals:
            raise Ignored("this plan was refused in this attempt")
        objection = catalogue.objection_to(operation.plan, self.manifest)
        if objection:
            raise Ignored(f"the plan {objection}")
        for action in operation.plan.actions:
            if incident.tried.get(_action_digest(action), 0) >= self.rules.limits.repeats:
                raise Ignored("this action on this run was tried before in this incident")
        attempt.proposals[digest] = Proposal(digest, author, attempt.number, operation.plan)
        incident.move(IncidentStatus.PROPOSED)
        yield from ()

    # --- deciding -----------------------------------------------------------------------------------

    def _assessed(self, operation: Assessed, author: AuthorId) -> Iterator[Happening]:
        incident = self._incident(operation.incident)
        proposal = incident.attempt.proposals.get(operation.proposal)
        if proposal is None:
            raise Ignored("no such proposal in the attempt under way")
        if author in proposal.assessments:
            raise Ignored("this agent has assessed this proposal")
        if not 0 <= operation.score_permille <= 1000:
            raise Ignored("a score is 0 to 1000")
        proposal.assessments[author] = operation
        yield from self._try_to_decide(incident, author)

    def _approved(self, operation: Approved, author: AuthorId) -> Iterator[Happening]:
        incident = self._seen(operation.incident, operation.version)
        for proposal in incident.attempt.proposals.values():
            if plan_digest(proposal.plan) == operation.plan and not proposal.refused:
                if operation.not_after_ms != proposal.plan.not_after_ms:
                    raise Ignored("its expiry is not the plan's")
                proposal.approval = operation
                yield from self._try_to_decide(incident, author)
                return
        raise Ignored("no live proposal has this plan")

    def _refused(self, operation: Refused, author: AuthorId) -> Iterator[Happening]:
        incident = self._seen(operation.incident, operation.version)
        if incident.status not in {
            IncidentStatus.PROPOSED,
            IncidentStatus.AWAITING_APPROVAL,
        }:
            raise Ignored(f"the incident is {incident.status}")
        for proposal in incident.attempt.proposals.values():
            if plan_digest(proposal.plan) == operation.plan:
                proposal.refused = True
                yield from self._next_attempt(incident, author, "refused by an operator")
                return
        raise Ignored("no proposal has this plan")

    def _try_to_decide(self, incident: Incident, author: AuthorId) -> Iterator[Happening]:
        if self.frozen or incident.status not in {
            IncidentStatus.PROPOSED,
            IncidentStatus.AWAITING_APPROVAL,
        }:
            return
        attempt = incident.attempt
        for proposal in attempt.proposals.values():
            silenced = len(self.convicted - proposal.assessments.keys())
            if deciding.is_lost(proposal, attempt, self.genesis, silenced):
                proposal.refused = True
        best = deciding.best_carried(attempt, self.genesis)
        if best is not None:
            yield from self._carried(incident, best, author)
        elif all(proposal.refused for proposal in attempt.proposals.values()):
            yield from self._next_attempt(incident, author, "refused by the council")

    def _carried(
        self, incident: Incident, proposal: Proposal, author: AuthorId
    ) -> Iterator[Happening]:
        mode = self.rules.automation.mode(proposal.plan.risk)
        if mode is Policy.OBSERVE:
            incident.attempt.chosen = proposal.digest
            yield from self._hand_over(incident, author, "policy is observe")
            return
        if mode is Policy.ASK and proposal.approval is None:
            if incident.status is not IncidentStatus.AWAITING_APPROVAL:
                incident.move(IncidentStatus.AWAITING_APPROVAL)
                yield self._happening("awaiting approval", author, incident.key)
            return
        attempt = incident.attempt
        attempt.chosen = proposal.digest
        attempt.body = CertificateBody(
            cluster=self.genesis.cluster,
            epoch=self.genesis.epoch,
            sequence_number=self.sequence_number,
            incident=incident.key,
            attempt=attempt.number,
            plan=plan_digest(proposal.plan),
            undo=undo_digest(proposal.plan),
            policy=self.rules.digest,
            approval=approval_digest(proposal.approval),
            not_after_ms=proposal.plan.not_after_ms,
        )
        incident.move(IncidentStatus.DECIDED)
        yield self._happening("decided", author, incident.key)

    def _certified(self, operation: Certified, author: AuthorId) -> Iterator[Happening]:
        incident = self._incident(operation.incident)
        attempt = incident.attempt
        if attempt.body is None or attempt.chosen != operation.proposal:
            raise Ignored("nothing is decided about this proposal")
        if operation.body != certificate_digest(attempt.body):
            raise Ignored("another body than the fold's")
        agent = AgentId(author)
        if agent in attempt.signatures:
            raise Ignored("this agent has certified this decision")
        key = self.genesis.agent_keys()[agent]
        if not self._verifier.verify(
            key, Domain.CERTIFICATE, encode(attempt.body), operation.signature
        ):
            raise Ignored("the signature does not verify")
        attempt.signatures[agent] = operation.signature
        if len(attempt.signatures) == self.genesis.quorum:
            yield from self._certificate_complete(incident, author)

    def _certificate_complete(self, incident: Incident, author: AuthorId) -> Iterator[Happening]:
        attempt = incident.attempt
        if incident.status is not IncidentStatus.DECIDED or attempt.body is None:
            return
        plan = attempt.proposals[attempt.chosen].plan if attempt.chosen else None
        if plan is None:
            return
        attempt.certificate = Certificate(attempt.body, plan, dict(attempt.signatures))
        for action in plan.actions:
            digest = _action_digest(action)
            incident.tried[digest] = incident.tried.get(digest, 0) + 1
        incident.move(IncidentStatus.CERTIFIED)
        yield self._happening("certificate", author, incident.key)

    # --- acting and verifying -----------------------------------------------------------------------

    def _acted(self, operation: Acted, author: AuthorId) -> Iterator[Happening]:
        incident, attempt = self._by_certificate(operation.certificate)
        if operation.step in attempt.outcomes:
            raise Ignored("this step was reported before")
        certificate = attempt.certificate
        if certificate is None or not 0 <= operation.step < len(certificate.plan.actions):
            raise Ignored("no such step in a complete certificate")
        attempt.outcomes[operation.step] = operation.outcome
        if operation.generation is not None:
            attempt.generations[operation.step] = operation.generation
        if attempt is not incident.attempt or incident.status is not IncidentStatus.CERTIFIED:
            return
        if operation.outcome is not OutcomeKind.DONE:
            yield from self._next_attempt(incident, author, f"the action is {operation.outcome}")
        elif len(attempt.outcomes) == len(certificate.plan.actions):
            incident.move(IncidentStatus.ACTED)
            yield self._happening("acted on", author, incident.key)

    def _undone(self, operation: Undone, author: AuthorId) -> Iterator[Happening]:
        incident, attempt = self._by_certificate(operation.certificate)
        certificate = attempt.certificate
        if operation.step in attempt.undo_outcomes or certificate is None:
            raise Ignored("this step was reported before, or there is no certificate")
        if not 0 <= operation.step < len(certificate.plan.undo):
            raise Ignored("no such step in the undo")
        attempt.undo_outcomes[operation.step] = operation.outcome
        if attempt is not incident.attempt or incident.status is not IncidentStatus.UNDOING:
            return
        if operation.outcome is not OutcomeKind.DONE:
            yield from self._hand_over(incident, author, f"the undo is {operation.outcome}")
        elif len(attempt.undo_outcomes) == len(certificate.plan.undo):
            yield from self._next_attempt(incident, author, "undone")

    def _worse(self, operation: Worse, author: AuthorId, signed: bytes) -> Iterator[Happening]:
        incident, attempt = self._current(operation.incident, operation.attempt)
        if incident.status is not IncidentStatus.ACTED or author in attempt.undo_orders:
            raise Ignored("nothing was done, or this agent has spoken")
        attempt.undo_orders[author] = signed
        if len(attempt.undo_orders) > self.genesis.f:
            yield from self._fire_undo(incident, author)

    def _undo_requested(
        self, operation: UndoRequested, author: AuthorId, signed: bytes
    ) -> Iterator[Happening]:
        incident = self._seen(operation.incident, operation.version)
        attempt = incident.attempt
        if attempt.certificate is None or attempt.certificate.body.plan != operation.plan:
            raise Ignored("this plan was not certified in the attempt under way")
        attempt.undo_orders[author] = signed
        yield from self._fire_undo(incident, author)

    def _fire_undo(self, incident: Incident, author: AuthorId) -> Iterator[Happening]:
        certificate = incident.attempt.certificate
        if certificate is not None and certificate.plan.undo:
            incident.move(IncidentStatus.UNDOING)
            yield self._happening("undoing", author, incident.key)
        else:
            yield from self._next_attempt(incident, author, "worse, and it has no undo")

    def _recovered(self, operation: Recovered, author: AuthorId) -> Iterator[Happening]:
        incident = self._incident(operation.incident)
        if incident.attempt.number != operation.attempt:
            raise Ignored("not about the attempt under way")
        if author in incident.attempt.recovered:
            raise Ignored("this agent has spoken")
        if incident.status in {IncidentStatus.DECIDED, IncidentStatus.CERTIFIED}:
            raise Ignored("an action is under way")
        incident.attempt.recovered.add(author)
        yield from self._try_to_close(incident, author)

    def _try_to_close(self, incident: Incident, author: AuthorId) -> Iterator[Happening]:
        needed = self.genesis.quorum - self.genesis.f
        if incident.status in {IncidentStatus.DECIDED, IncidentStatus.CERTIFIED}:
            return
        if len(incident.attempt.recovered) < needed or not self._probe_agrees():
            return
        acted = any(attempt.outcomes for attempt in incident.attempts)
        status = IncidentStatus.RECOVERED if acted else IncidentStatus.SUBSIDED
        yield from self._close(incident, author, status)

    def _probe_agrees(self) -> bool:
        """Whether the SLO probe is green for its hold time, where there is a probe."""
        if not self.genesis.probe:
            return True
        probe = self.probes.get(self.manifest.objective.subject)
        return (
            probe is not None and probe.green and probe.held_ms >= self.manifest.objective.hold_ms
        )

    # --- time and ends ------------------------------------------------------------------------------

    def _elapsed(self, operation: Elapsed, author: AuthorId) -> Iterator[Happening]:
        incident, attempt = self._current(operation.incident, operation.attempt)
        voices = attempt.elapsed.setdefault(operation.step, set())
        if author in voices:
            raise Ignored("this agent has said so")
        voices.add(author)
        if len(voices) == self.genesis.f + 1:
            yield from self._time_is_up(incident, operation.step, author)

    def _time_is_up(self, incident: Incident, step: Step, author: AuthorId) -> Iterator[Happening]:
        yield self._happening("elapsed", author, incident.key, note=str(step))
        status = incident.status
        match step:
            case Step.CORROBORATE if status is IncidentStatus.CLAIMED:
                yield from self._close(incident, author, IncidentStatus.UNFOUNDED)
            case Step.ASSESS if status in {IncidentStatus.OPEN, IncidentStatus.DIAGNOSED}:
                yield from self._next_attempt(incident, author, "nobody has a plan")
            case Step.ASSESS:
                yield from self._try_to_decide(incident, author)
            case Step.APPROVE if status is IncidentStatus.AWAITING_APPROVAL:
                yield from self._hand_over(incident, author, "nobody approved in time")
            case Step.CERTIFY if status is IncidentStatus.DECIDED:
                yield from self._next_attempt(incident, author, "not certified in time")
            case Step.ACT if status is IncidentStatus.CERTIFIED:
                yield from self._next_attempt(incident, author, "not acted in time")
            case Step.ACT if status is IncidentStatus.UNDOING:
                yield from self._hand_over(incident, author, "not undone in time")
            case Step.RECOVER if status is IncidentStatus.ACTED:
                yield from self._next_attempt(incident, author, "not recovered in time")
            case _:
                # DIAGNOSE and PROPOSE open the step to deputies; see ``_duty``.
                pass

    def _next_attempt(self, incident: Incident, author: AuthorId, why: str) -> Iterator[Happening]:
        if incident.attempt.number >= self.rules.limits.attempts:
            yield from self._hand_over(incident, author, why)
            return
        incident.attempts.append(Attempt(incident.attempt.number + 1))
        incident.move(IncidentStatus.OPEN)
        yield self._happening("attempt", author, incident.key, note=why)

    def _hand_over(self, incident: Incident, author: AuthorId, why: str) -> Iterator[Happening]:
        incident.move(IncidentStatus.HANDED_OVER)
        yield self._happening("handed over", author, incident.key, note=why)

    def _close(
        self, incident: Incident, author: AuthorId, status: IncidentStatus
    ) -> Iterator[Happening]:
        incident.move(status)
        incident.closed_at = self.sequence_number
        self.closed += 1
        kept = [key for key, other in self.incidents.items() if other.status.is_closed]
        for key in kept[: max(0, len(kept) - MAX_CLOSED_INCIDENTS)]:
            del self.incidents[key]
        yield self._happening("closed", author, incident.key, note=str(status))

    def _convicted(self, operation: Convicted) -> None:
        if operation.culprit in self.convicted:
            raise Ignored("convicted before")
        if len(self.convicted) >= self.genesis.f:
            raise Ignored("more than f convictions: the model is violated, people must look")
        if not self._convict(operation):
            raise Ignored("the two messages prove nothing")
        self.convicted.add(operation.culprit)


def _action_digest(action: object) -> Digest:
    return digest_of("action", encode(action))
