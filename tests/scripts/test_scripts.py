"""Transcripts: each says what a cluster does, command by command, and must stay true.

A block is a command, ``----``, and what it prints, up to an empty line; ``#`` begins a remark. To
write the outputs anew from what the replicas do now, and read the difference:

    REWRITE_SCRIPTS=1 python -m pytest tests/scripts
"""

import os
from pathlib import Path

import pytest

from tests.scripts.director import BadCommand, Director

SCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))
REWRITE = bool(os.environ.get("REWRITE_SCRIPTS"))


def played(text: str) -> str:
    """The transcript with the outputs that its commands give now."""
    director = Director()
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = block.partition("\n----")[0].splitlines()
        remarks = [line for line in lines if line.startswith("#")]
        commands = [line for line in lines if line and not line.startswith("#")]
        outputs = [director.run(command) for command in commands]
        body = [*remarks, *commands]
        if commands:
            body += ["----", *outputs]
        blocks.append("\n".join(body))
    return "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_cluster_does_what_its_transcript_says(script: Path) -> None:
    text = script.read_text()

    now = played(text)

    if REWRITE:
        script.write_text(now)
    else:
        assert now == text


def test_a_command_that_does_not_exist_is_named() -> None:
    with pytest.raises(BadCommand, match="dance"):
        played("dance 1 2")


def test_all_stories_are_told() -> None:
    told = {script.stem for script in SCRIPTS}

    assert told >= {
        "checkpoint_and_catch_up",
        "equivocation_three_and_one",
        "equivocation_two_and_two",
        "lost_commit",
        "normal_case",
        "restart_keeps_the_vote",
        "split_of_a_quorum_of_three",
        "view_change",
    }
