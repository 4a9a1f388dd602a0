"""``main.py policy``: what it shows of a run, what it orders, and what it says when that does not count."""

from collections.abc import Callable
from pathlib import Path

import pytest

import main
from engine import genesis as genesis_file
from engine.act.door import open_door
from engine.cli import CommandError
from engine.cli.policy import Ordering, in_words
from engine.clock import SystemClock
from engine.ledger.replay import Replay
from engine.paths import RunPaths
from engine.policy import DRILL_RULES, Handover, Limits, Rules, read_rules, write_rules
from engine.replacing import Replacements
from engine.signing import Ed25519Signer
from engine.supervisor import Supervisor
from engine.vocabulary import Operation, Submission
from engine.wish import PolicyStanding
from tests.court import COMMUNICATION, OPERATOR, OTHER_OPERATOR, VERIFIER, Court

WANTED = Rules(automation=DRILL_RULES.automation, limits=Limits(attempts=2))
CHANGES = "limits.attempts 2 (was 4)"


class Run:
    """An engine's door and the log behind it; what is ordered is applied at ``number``."""

    def __init__(self, folder: Path, after: Callable[["Run"], None] = lambda _: None) -> None:
        self.court = Court()
        self.paths = RunPaths(folder / "run").make()
        self.number = 1
        self.told: list[str] = []
        self._after = after
        key = Ed25519Signer.load_or_create(self.paths.operator_key)
        genesis = self.court.genesis
        genesis.operators[OPERATOR] = key.public_key
        self.court.council = self.court.new_council()
        genesis_file.write(genesis, self.paths.genesis)
        self.replacements = Replacements(
            self.paths, Replay(self.court.council), VERIFIER,
            Supervisor(SystemClock(), lambda _: None), SystemClock(), self._relay,
        )  # fmt: skip

    def _relay(self, submission: Submission, payload: bytes) -> str:
        happenings = self.court.council.apply(self.number, submission, payload)
        self.replacements.followed(happenings)
        self._after(self)
        return ""

    def another_says(self, operation: Operation) -> None:
        """Have the other operator's order applied."""
        submission, signed = self.court.sign(OTHER_OPERATOR, operation)
        self.replacements.followed(self.court.council.apply(self.number, submission, signed))

    def begin(self) -> None:
        """End the epoch."""
        self.court.council.begin(self.court.council.changes.charter(bytes(32)))

    async def order(self, wanted: Rules = WANTED, within_s: float = 5) -> PolicyStanding:
        """Run the command before the door."""
        async with open_door(self.paths.swarm_socket, self.replacements.answer):
            return await Ordering(self.paths, wanted, self.told.append).carry_out(within_s)


async def test_an_order_is_told_step_by_step_until_its_epoch_has_begun(tmp_path: Path) -> None:
    run = Run(tmp_path, Run.begin)

    standing = await run.order()

    assert run.court.council.rules == standing.rules == WANTED
    assert (standing.epoch, standing.since_epoch, standing.since_entry) == (1, 1, 193)
    assert [line.rpartition(" (")[0] for line in (run.told[0], run.told[-1])] == [
        "asks for limits.attempts 2",
        f"in force from epoch 1, entry 193 on: {CHANGES}",
    ]


async def test_what_is_in_force_is_not_ordered(tmp_path: Path) -> None:
    run = Run(tmp_path)

    await run.order(DRILL_RULES)

    assert run.told == ["this is the policy in force, since epoch 0"]
    assert run.court.council.changes.boundary is None


async def test_an_order_that_the_council_does_not_count_says_why(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.another_says(run.court.replaced(COMMUNICATION))
    run.number = 100

    with pytest.raises(CommandError, match="does not count the order: an epoch is about to begin"):
        await run.order()


async def test_an_order_that_another_one_overtook_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path)
    counted = run.replacements.answer

    def answer(raw: bytes) -> str:
        said = counted(raw)
        if "ordered by" in "".join(run.told):
            run.another_says(run.court.configured(Rules(limits=Limits(attempts=9))))
        return said

    run.replacements.answer = answer  # type: ignore[method-assign]

    with pytest.raises(CommandError, match="another policy was ordered after it"):
        await run.order()


async def test_an_order_that_waits_says_what_it_waits_for(tmp_path: Path) -> None:
    run = Run(tmp_path)

    with pytest.raises(CommandError, match="in time: the order is not in the log yet"):
        await run.order(within_s=0)
    # It is now, and the same command goes on from there.
    with pytest.raises(CommandError, match="in time: it is ordered and takes its course"):
        await run.order(within_s=0)
    assert run.told[-1] == "ordered by entry 0; epoch 0 ends with entry 0"


async def test_without_an_engine_one_line_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path)

    with pytest.raises(CommandError, match=r"the engine of .*run does not answer; is it up\?"):
        await Ordering(run.paths, WANTED, run.told.append).carry_out(1)


def test_what_is_shown_names_the_policy_its_epoch_and_what_is_ordered() -> None:
    standing = PolicyStanding(
        2, 400, WANTED.digest, WANTED, 1, 193, pending=DRILL_RULES, boundary=576
    )

    lines = list(in_words(standing))

    assert lines[0] == (f"in force    {WANTED.digest.hex()[:12]}: low auto, medium auto, high auto")
    assert lines[1] == "since       epoch 1, from entry 193 on"
    assert "limits      attempts 2, repeats 1, actions_per_ten_minutes 8" in lines
    assert lines[-2] == f"ordered     {DRILL_RULES.digest.hex()[:12]}: limits.attempts 4 (was 2)"
    assert lines[-1] == "from        epoch 3 on, after entry 576 (now 400)"
    assert list(in_words(PolicyStanding(0, 1, WANTED.digest, WANTED, 0, 1)))[-1] == (
        "ordered     nothing else"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot read the policy: No such file or directory"),
        ("[automation", "no TOML"),
        ("[automation]\nlow = 'always'", "`$.automation.low`; modes are observe, ask and auto"),
        ("[limits]\nattempts = 0", "Expected `int` >= 1 - at `$.limits.attempts`"),
        ("[handover]\nwebhook = 'https://a.example'", "[handover]: it stays what"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it_the_place_and_the_remedy(
    text: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = Run(tmp_path), tmp_path / "wanted.toml"
    write_rules(DRILL_RULES, run.paths.policy)
    if text is not None:
        file.write_text(text)

    code = main.main(["policy", "set", str(file), "--run-dir", str(run.paths.root)])

    said = capsys.readouterr().err
    assert code == 1
    assert said.count("\n") == 1
    assert str(file) in said
    assert why in said


def test_set_without_a_file_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["policy", "set"]) == 2
    assert "as in: set policy.toml" in capsys.readouterr().err


def test_the_hand_over_of_the_run_itself_may_stand_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = Run(tmp_path), tmp_path / "wanted.toml"
    write_rules(Rules(handover=Handover(command=("page",))), run.paths.policy)
    write_rules(Rules(limits=Limits(attempts=2), handover=Handover(command=("page",))), file)

    main.main(["policy", "set", str(file), "--run-dir", str(run.paths.root)])

    assert "does not answer" in capsys.readouterr().err
    assert read_rules(file).ordered == Rules(limits=Limits(attempts=2))
