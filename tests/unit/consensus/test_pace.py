"""A primary that is slow but never silent is given up, and honest slowness does not rotate for ever."""

from engine.codec import encode
from engine.consensus.effects import Broadcast, Effect, Receive, Submit, Tick
from engine.consensus.messages import Entries, ViewChange, Vote, decode_packet
from engine.consensus.pace import Pace
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from tests.unit.consensus.speaking import Speaker

SETTINGS = Settings(checkpoint_period=64)


class Backup:
    """Replica 1, for whom the test orders one batch whenever it likes."""

    def __init__(self) -> None:
        self.speaker = Speaker()
        ids = self.speaker.members.ids
        signer = self.speaker.members.signers[ids[1]]
        self.replica = Replica(self.speaker.committee, ids[1], signer, SETTINGS, Resume())
        self.now_ms = 0
        self.replica.step(Tick(0))
        self.left: list[int] = []

    def order(self, waiting_ms: int) -> None:
        """Have a submission wait for so long, then see it ordered."""
        number = self.replica.executed + 1
        submission = self.speaker.members.submission(number)
        self.take(*self.replica.step(Submit(submission)))
        self.wait(waiting_ms)
        entry = self.speaker.entry(number, submission, view=self.replica.view)
        packet = encode(Entries((entry,)))
        self.take(*self.replica.step(Receive(self.speaker.members.ids[4], packet)))

    def wait(self, ms: int) -> None:
        for _ in range(0, ms, 50):
            self.now_ms += 50
            self.take(*self.replica.step(Tick(self.now_ms)))

    def take(self, *effects: Effect) -> None:
        for effect in effects:
            packet = decode_packet(effect.frame) if isinstance(effect, Broadcast) else None
            if isinstance(packet, Vote):
                message = self.speaker.committee.read(packet.frame)
                if isinstance(message, ViewChange) and message.view not in self.left:
                    self.left.append(message.view)


def test_a_primary_just_within_the_timeout_is_given_up_within_the_stated_floor() -> None:
    backup = Backup()
    almost = SETTINGS.request_timeout_ms - 50

    orders = 0
    while not backup.left:
        backup.order(almost)
        orders += 1

    assert backup.left == [1]
    assert backup.now_ms <= SETTINGS.pace_ms + almost
    assert orders < SETTINGS.pace_batches


def test_a_primary_that_keeps_the_pace_stays() -> None:
    backup = Backup()
    enough = SETTINGS.pace_ms // SETTINGS.pace_batches - 50

    for _ in range(5 * SETTINGS.pace_batches):
        backup.order(enough)

    assert backup.left == []


def test_time_without_work_does_not_count() -> None:
    backup = Backup()

    for _ in range(3 * SETTINGS.pace_batches):
        backup.order(100)
        backup.wait(2000)

    assert backup.left == []


def test_a_submission_passed_over_gives_its_primary_up_although_others_are_served() -> None:
    backup = Backup()
    starved = backup.speaker.members.submission(9999)
    backup.take(*backup.replica.step(Submit(starved)))

    while not backup.left:
        backup.order(100)

    assert backup.now_ms <= SETTINGS.request_timeout_ms * SETTINGS.starvation_factor + 100


def test_each_view_given_up_for_its_pace_doubles_what_the_next_may_take() -> None:
    pace = Pace(SETTINGS)
    allowed = []
    for _ in range(SETTINGS.backoff_doublings + 3):
        allowed.append(pace.allowed_ms)
        missed = []
        for ms in (pace.allowed_ms - 1, 1):
            pace.waited(ms)
            missed.append(pace.is_missed)
        assert missed == [False, True]
        pace.give_up()

    most = SETTINGS.pace_ms << SETTINGS.backoff_doublings
    assert allowed[:3] == [5_600, 11_200, 22_400]
    assert allowed[-2:] == [most, most]


def test_views_that_keep_the_pace_restore_the_floor() -> None:
    pace = Pace(SETTINGS)
    pace.give_up()
    pace.give_up()

    for _ in range(2 * SETTINGS.pace_batches):
        pace.waited(10)
        pace.executed()

    assert pace.allowed_ms == SETTINGS.pace_ms
