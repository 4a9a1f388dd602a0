"""The door for repairs: actions with a precondition, each carried out once per key.

Intent is on the disk before the effect, and what came of it after; a key that has an intent and
no outcome after a crash is unknown, and is not tried again.
"""

import asyncio
import os
from pathlib import Path

import msgspec

from chaos.fleet.doors import Door
from chaos.fleet.floor import Floor, Slot, known_release
from engine.act.fleet import RepairAnswer, RepairRequest, Verb
from engine.ports import ActionKey, Report
from engine.vocabulary import Action, Deploy, OutcomeKind, RestartService, RollBack


class JournalLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An intent (no report), or the outcome of one."""

    key: ActionKey
    action: Action
    report: Report | None = None


_decoder = msgspec.json.Decoder(JournalLine)


class RepairJournal:
    """Which keys were used and for what, in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        """Go on with the journal at ``path``, or begin one; a torn last line is dropped."""
        self._lines: dict[ActionKey, JournalLine] = {}
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        for text in data.split(b"\n"):
            try:
                line = _decoder.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            self._lines[line.key] = line
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if data and not data.endswith(b"\n"):
            self._append(b"\n")

    def find(self, key: ActionKey) -> JournalLine | None:
        """The last line about ``key``."""
        return self._lines.get(key)

    def write(self, line: JournalLine) -> None:
        """Record ``line``; it is on the disk when this returns."""
        self._append(msgspec.json.encode(line) + b"\n")
        self._lines[line.key] = line

    def _append(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class Repairs:
    """Performs and observes actions on the floor."""

    def __init__(self, floor: Floor, journal: RepairJournal) -> None:
        """Act on ``floor``, remembering keys in ``journal``."""
        self._floor = floor
        self._journal = journal
        self._under_way: dict[ActionKey, asyncio.Task[Report]] = {}

    async def perform(self, key: ActionKey, action: Action) -> Report:
        """Carry ``action`` out, once for this key; see ``engine.ports.Executor``."""
        former = self._journal.find(key)
        if former is not None and former.action != action:
            return self._report(action, OutcomeKind.NOT_DONE, "key belongs to another action")
        task = self._under_way.get(key)
        if task is None:
            if former is not None:
                return self._known(former)
            self._journal.write(JournalLine(key, action))
            task = asyncio.ensure_future(self._carry_out(key, action))
            self._under_way[key] = task
        # The one who asks may go away; what has begun is finished and recorded all the same.
        return await asyncio.shield(task)

    async def observe(self, key: ActionKey, action: Action) -> Report:
        """What came of ``key``, once it has come to an end; see ``engine.ports.Executor``."""
        former = self._journal.find(key)
        if former is None:
            return self._report(action, OutcomeKind.NOT_DONE, "never asked for")
        if former.action != action:
            return self._report(action, OutcomeKind.NOT_DONE, "key belongs to another action")
        task = self._under_way.get(key)
        if task is not None:
            # Whoever asked for it may have been killed since; its end is bounded and will be known.
            return await asyncio.shield(task)
        return self._known(former)

    def _known(self, former: JournalLine) -> Report:
        if former.report is None:
            return self._report(former.action, OutcomeKind.UNKNOWN, "begun, end not recorded")
        return self._report(former.action, former.report.outcome, former.report.reason)

    async def _carry_out(self, key: ActionKey, action: Action) -> Report:
        try:
            try:
                report = await self._act(action)
            except OSError:
                report = self._report(action, OutcomeKind.UNKNOWN, "the fleet is stopping")
            self._journal.write(JournalLine(key, action, report))
            return report
        finally:
            del self._under_way[key]

    async def _act(self, action: Action) -> Report:
        slot = self._floor.slot(action.service)
        if slot is None:
            return self._report(action, OutcomeKind.NOT_DONE, "no such service")
        done: bool | None
        match action:
            case RestartService():
                done = await self._floor.restart(slot, action.generation)
            case RollBack():
                refused = self._not_rolling_back(slot, action)
                if refused:
                    return self._report(action, OutcomeKind.NOT_DONE, refused)
                done = await self._floor.deploy(slot, action.to_release, action.generation)
            case Deploy():
                if not known_release(slot, action.to_release):
                    return self._report(action, OutcomeKind.NOT_DONE, "no such release")
                done = await self._floor.deploy(slot, action.to_release)
        if done is None:
            return self._report(action, OutcomeKind.NOT_DONE, "another run is there now")
        if not done:
            return self._report(action, OutcomeKind.UNKNOWN, "the new run did not answer in time")
        return self._report(action, OutcomeKind.DONE, "")

    def _not_rolling_back(self, slot: Slot, action: RollBack) -> str:
        """Why the release cannot be rolled back to; empty when it can."""
        if not known_release(slot, action.to_release):
            return "no such release"
        earlier = [change.release for change in slot.changes][:-1]
        if action.to_release not in earlier:
            return "that release did not run before"
        return ""

    def _report(self, action: Action, outcome: OutcomeKind, reason: str) -> Report:
        slot = self._floor.slot(action.service)
        return Report(outcome, slot.generation if slot else None, reason)

    async def finish(self) -> None:
        """Wait for what is under way."""
        if self._under_way:
            await asyncio.wait(tuple(self._under_way.values()))


async def answer_repair(door: Door, repairs: Repairs, line: bytes) -> bytes:
    """The line that answers a line at the door for repairs."""
    try:
        request = msgspec.json.decode(line, type=RepairRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return msgspec.json.encode(RepairAnswer(refused=f"not a request: {error}"))
    if not door.admits(request.token):
        return msgspec.json.encode(RepairAnswer(refused="not the token of this door"))
    if request.verb is Verb.PERFORM:
        report = await repairs.perform(request.key, request.action)
    else:
        report = await repairs.observe(request.key, request.action)
    return msgspec.json.encode(RepairAnswer(report))
