"""One replica of five, in view 0, with everyone else played by the test."""

from collections.abc import Sequence

from engine.consensus.effects import Effect, Receive, Tick, Trace
from engine.consensus.messages import Packet, Proposal, Vote, encode_packet
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from tests.unit.consensus.speaking import Speaker


class Backup:
    """Replica ``place`` of five, begun anew or from what ``resume`` holds."""

    def __init__(
        self, settings: Settings | None = None, resume: Resume | None = None, place: int = 1
    ) -> None:
        self.speaker = it = Speaker()
        self.me = it.members.ids[place]
        self.replica = Replica(
            it.committee,
            self.me,
            it.members.signers[self.me],
            settings or Settings(),
            resume or Resume(),
        )
        self.now_ms = 0
        self.first = self.replica.step(Tick(0))
        """What it does first of all."""

    def hear(self, by: int, packet: Packet) -> Sequence[Effect]:
        return self.replica.step(Receive(self.speaker.members.ids[by], encode_packet(packet)))

    def refusal(self, by: int, packet: Packet) -> str:
        *_, last = self.hear(by, packet)
        assert isinstance(last, Trace)
        return last.refused

    def proposal(self, number: int, *batch: bytes, view: int = 0) -> Proposal:
        digest = self.speaker.digest(batch)
        return Proposal(self.speaker.pre_prepare(view, number, digest), batch)

    def submission(self, counter: int) -> bytes:
        return self.speaker.members.submission(counter)

    def new_view(self, view: int, *headers: bytes) -> Vote:
        votes = [self.speaker.view_change(by, view) for by in (0, 2, 3, 4)]
        return Vote(self.speaker.sign(self.speaker.new_view(view, votes, *headers)))

    def wait(self, ms: int) -> list[Effect]:
        effects: list[Effect] = []
        for _ in range(0, ms, 50):
            self.now_ms += 50
            effects += self.replica.step(Tick(self.now_ms))
        return effects
