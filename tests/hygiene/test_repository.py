"""What must never be committed: registry addresses, one machine's paths, private keys."""

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Written so that this file does not contain what it looks for.
FORBIDDEN = {
    "a registry's address": re.compile(r"\b(pypi[.]org|pythonhosted[.]org|npmjs[.](org|com))\b"),
    "an address with a password": re.compile(r"https?://[^\s/:@\"'{}<>]+:[^\s/@\"'{}<>]+@"),
    "a path of one machine": re.compile(r"(?<![\w.}/-])/(home|root|work|Users)/[\w.]"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
}


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    paths = [REPOSITORY / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    """The file's text; empty for pictures and other binary files."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", errors="replace")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str) -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}: {match.group()}"
        for path in tracked_files()
        for match in FORBIDDEN[what].finditer(text_of(path))
    ]

    assert found == []


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("requirements*.txt")), ids=lambda p: p.name)
def test_every_pin_has_its_hash(path: Path) -> None:
    entries = [
        entry
        for entry in path.read_text().replace("\\\n", " ").splitlines()
        if entry.strip() and not entry.lstrip().startswith("#")
    ]

    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), (
            entry
        )


def test_patterns_find_what_they_look_for() -> None:
    at = "@"
    samples = {
        "a registry's address": "https://files." + "pythonhosted" + ".org/x",
        "an address with a password": f"https://me:secret{at}example.com",
        "a path of one machine": 'open("/' + 'home/me")',
        "a private key": "-----BEGIN " + "EC PRIVATE KEY-----",
    }

    assert {what for what, text in samples.items() if FORBIDDEN[what].search(text)} == set(
        FORBIDDEN
    )
