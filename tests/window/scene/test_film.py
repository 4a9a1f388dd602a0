"""Films and measurements, each in a process of its own: Qt can be started once only, in one way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controlroom.window.qt.film import CannotRecord, check

ROOT = Path(__file__).parents[3]
SHORT_FILM = """
import sys
from pathlib import Path
import msgspec
from controlroom.window.qt.film import Film, record
from engine.playback import read_recording

recording = read_recording(Path(sys.argv[1]))
start = next(i for i, it in enumerate(recording.frames) if it.state.incident is not None)
frames = recording.frames[start : start + 4]
last = frames[-1].at_ns
messages = tuple(it for it in recording.messages if it.received_ns <= last)
short = msgspec.structs.replace(recording, frames=frames, messages=messages)
film = Film(Path(sys.argv[2]), presenting=True, width=640, height=400, rate=5)
frames = record(short, film)
# Read back here: imageio leaves its pipes to the collector, and our tests make that an error.
import imageio.v3 as iio
pictures = iio.imread(film.path, plugin="FFMPEG")
print(frames, *pictures.shape, int(pictures[0].std()))
"""


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


def test_a_recording_becomes_a_film_without_a_screen(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    ledger = ROOT / "assets/incidents/kill-payments/ledger.sqlite"

    done = run("-c", SHORT_FILM, str(ledger), str(path), DISPLAY="")

    assert done.returncode == 0, done.stderr
    frames, found, height, width, _, spread = map(int, done.stdout.split())
    assert found == frames >= 8
    assert (height, width) == (400, 640)
    assert spread > 5, "something is to be seen"
    assert sorted(it.name for it in tmp_path.iterdir()) == ["film.mp4"], (
        "nothing half written stays"
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [("film.gif", "ends in"), ("there.mp4", "exists"), ("nowhere/film.mp4", "no such folder")],
)
def test_a_film_that_cannot_be_made_is_refused_at_once(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "there.mp4").write_bytes(b"somebody's film")

    with pytest.raises(CannotRecord, match=why):
        check(tmp_path / name)

    assert (tmp_path / "there.mp4").read_bytes() == b"somebody's film"


def test_record_without_a_recording_is_refused_in_one_line() -> None:
    done = run("main.py", "window", "--record", "film.mp4", "--no-install")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--replay" in done.stderr


def test_the_benchmark_measures_live_and_still_frames() -> None:
    done = run("-m", "chaos.bench.scene_frames", "5", "60", "8", "still", GALLIUM_NOOP="1")

    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout.splitlines()[-1])
    assert (cost["agents"], cost["messages"]) == (5, 60)
    assert cost["actors"] <= 30
    assert len(cost["thread_ms"]) == len(cost["still_thread_ms"]) == 8
    assert cost["labels"] >= 10
    assert min(cost["thread_ms"]) > 0
