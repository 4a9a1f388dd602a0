"""From batches to what follows from them: a submission that is repeated counts once."""

from pathlib import Path

from engine.ledger.replay import Replay
from engine.vocabulary import Frozen
from tests.court import DETECTION, OPERATOR, Court, restart
from tests.unit.ledger.notary import Notary


def mended() -> Court:
    court = Court()
    court.run_to_acted(restart())
    court.recover()
    return court


def test_a_replay_arrives_where_the_court_did(tmp_path: Path) -> None:
    court = mended()
    notary = Notary(court, tmp_path)
    replay = Replay(court.new_council())

    happenings = [one for entry in notary.entries for one in replay.apply(entry)]

    assert replay.council.digest() == court.council.digest()
    assert "closed" in {one.kind for one in happenings}


def test_a_submission_that_comes_again_counts_once(tmp_path: Path) -> None:
    court = mended()
    notary = Notary(court, tmp_path)
    replay = Replay(court.new_council())
    batches = [entry.batch for entry in notary.entries]
    repeated = (*batches[0], *batches[1], *batches[0])

    first = replay.apply(notary.entry(1, *repeated))
    again = replay.apply(notary.entry(2, *batches[1], *batches[0]))

    assert [one.kind for one in first].count("opened") == 1
    assert again == []


def test_a_null_batch_means_nothing(tmp_path: Path) -> None:
    court = Court()

    assert Replay(court.new_council()).apply(Notary(court, tmp_path).entry(1)) == []


def test_counters_are_those_of_the_log(tmp_path: Path) -> None:
    court = mended()
    court.say(OPERATOR, Frozen(court.command()))
    replay = Replay(court.new_council())
    assert replay.newest_counter(DETECTION) == 0

    for entry in Notary(court, tmp_path).entries:
        replay.apply(entry)

    own = [submission.counter for _, submission, _ in court.log if submission.author == DETECTION]
    assert replay.newest_counter(DETECTION) == max(own)
    assert replay.holds(DETECTION, own[0])
    assert not replay.holds(DETECTION, max(own) + 1)
    assert replay.council.frozen
