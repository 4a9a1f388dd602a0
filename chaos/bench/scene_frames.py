"""One process that draws a load off screen and says what its frames cost: ``python -m`` this module.

Its own process, because ``GALLIUM_NOOP=1`` (Mesa draws nothing, all calls are made: what a graphics
card would leave to the processor) is read when OpenGL starts. Prints one line of JSON.
"""

import sys
import time

import msgspec
import numpy as np
from PySide6.QtGui import QImage, QPainter

from chaos.bench.scene_load import FROM_S, TO_S, load
from controlroom.window.chores import Chores
from controlroom.window.qt.picture import Photographer
from controlroom.window.scene.council import HEIGHT as HIGH
from controlroom.window.scene.council import ONE_BY_ONE
from controlroom.window.session import Session

WIDTH, HEIGHT = 1280, 720
FRAME_S = 1 / 60
WARM_UP = 30
NEAR, SETTLED_S = 14.0, 60.0
STILL_TURN = 1e-4
"""A held scene is turned by so much, or VTK would not draw it again."""


class Cost(msgspec.Struct, frozen=True):
    """What frames cost, in milliseconds of processor time."""

    renderer: str
    actors: int
    agents: int
    messages: int
    """Under way in each frame, at least."""
    labels: int
    thread_ms: list[float]
    """Of the main thread, for each live frame: model, upload, drawing, labels, panels."""
    process_ms: list[float]
    still_thread_ms: list[float]
    """The same scene held still, frame by frame in between."""
    still_process_ms: list[float]


def measure(agents: int, messages: int, frames: int, *, still: bool) -> Cost:
    """Draw ``frames`` frames, with a held one after each where ``still`` is wanted."""
    session = Session(load(agents, messages))
    session.transport.scrub(session.timeline.first_s + FROM_S, 0.0)
    session.transport.skip_quiet = False
    photographer = Photographer(session, WIDTH, HEIGHT, samples=0)
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_ARGB32_Premultiplied)
    if agents > ONE_BY_ONE:
        # From where so many agents can be named that there is no room for another label.
        photographer.frame(-SETTLED_S)
        session.orbit.go_to("", (0.0, 0.0, HIGH), -SETTLED_S, NEAR)
    live: list[tuple[float, float]] = []
    held: list[tuple[float, float]] = []
    least, most_labels = messages, 0
    span, chores = TO_S - FROM_S, Chores()
    for number in range(-WARM_UP, frames):
        now_s = (number % int(span / FRAME_S)) * FRAME_S
        session.transport.scrub(session.timeline.first_s + FROM_S + now_s, now_s)
        before = time.thread_time(), time.process_time()
        frame, eye = photographer.frame(now_s)
        photographer.studio.draw(eye)
        chore = chores.due(number * FRAME_S, None)
        if chore.places_labels:
            painter = QPainter(image)
            most_labels = max(most_labels, photographer.write_labels(painter, frame, eye))
            painter.end()
        if chore.refreshes_panels:
            painted = photographer.panels.painted
            photographer.panels.refresh_next(frame, now_s)
            if photographer.panels.painted != painted:
                painter = QPainter(image)
                photographer.write_panels(painter)
                painter.end()
        after = time.thread_time(), time.process_time()
        least = min(least, int(frame.messages.records.sum()))
        if number >= 0:
            live.append((after[0] - before[0], after[1] - before[1]))
        if still:
            moved = eye._replace(place=eye.place + STILL_TURN * (number % 2))
            before = time.thread_time(), time.process_time()
            photographer.studio.draw(moved)
            after = time.thread_time(), time.process_time()
            if number >= 0:
                held.append((after[0] - before[0], after[1] - before[1]))
    agents = len(session.scene.seats.ids)
    renderer, actors = photographer.renderer_name, photographer.studio.stage.actors
    photographer.close()
    return Cost(
        renderer, actors, agents, least, most_labels,
        *_columns(live), *_columns(held),
    )  # fmt: skip


def _columns(costs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    table = np.array(costs).reshape(-1, 2) * 1000
    return table[:, 0].tolist(), table[:, 1].tolist()


def main(words: list[str]) -> int:
    """``AGENTS MESSAGES FRAMES [still]``."""
    agents, messages, frames = map(int, words[:3])
    cost = measure(agents, messages, frames, still="still" in words)
    sys.stdout.write(msgspec.json.encode(cost).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
