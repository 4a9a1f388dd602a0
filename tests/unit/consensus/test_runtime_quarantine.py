"""What the shell around a replica does with convictions: the log's, and those of its own eyes."""

from pathlib import Path

from engine.codec import encode
from engine.consensus.messages import Entries
from tests.unit.consensus.one import One
from tests.unit.consensus.speaking import Speaker
from tests.until import until


async def test_each_entry_is_folded_in_the_step_that_commits_it(tmp_path: Path) -> None:
    one = One(tmp_path)
    one.convicted = {one.speaker.members.ids[0]}
    entry = one.speaker.entry(1, one.speaker.members.submission(1))

    await one.listening()
    await one.hear(4, encode(Entries((entry,))))

    await until(lambda: one.store.head[0] == 1)
    assert one.folded == [(1, 0)]
    await until(lambda: (one.runtime.view, one.runtime.phase) == (1, "view-change"))
    await one.close()


async def test_a_ledger_that_convicts_too_many_starts_halted(tmp_path: Path) -> None:
    one = One(tmp_path, convicted=Speaker().members.ids[2:4])

    await until(lambda: one.runtime.phase == "halted")
    assert not one.runtime.ready
    await one.close()


async def test_two_votes_of_one_replica_are_handed_on_as_proof(tmp_path: Path) -> None:
    one = One(tmp_path)
    await one.listening()
    for byte in (1, 2):
        vote = one.speaker.commit(3, 0, 1, bytes([byte]) * 32)
        await one.hear(3, vote)

    await until(lambda: one.accused == [("agent-3", "double-commit")])
    await one.close()
