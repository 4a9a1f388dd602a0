"""The CDK's command line as a child of ours: one command at a time, its words kept in a log.

What it prints is for the log alone. What is decided is decided by its exit code and by what
CloudFormation says (``cloud``): the CDK's text is no interface.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.supervisor import dying_with
from infra.deploy.source import REPOSITORY
from infra.tools import cdk_command, node

__all__ = ["Cdk", "CdkFailed"]

QUIET = ("--no-color", "--ci", "--no-notices")
STEP_S = 3600.0
TAIL_LINES = 12


class CdkFailed(Exception):
    """A command of the CDK failed; the message holds the line that says why."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
        """Its exit code; negative: the signal that ended it."""


class Cdk:
    """Runs the CDK with one environment and one log."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """``environment`` holds what names the target: credentials, region and endpoints."""
        self._environment = {
            **os.environ,
            **environment,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "JSII_NODE": str(node()),
        }
        self._log = log
        self.pid = 0
        """Of the command that runs now; 0 while none does."""

    def synth(
        self, application: Sequence[str], out: Path, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Run the program that writes the assembly to ``out``; ``meanwhile`` is done while it works.

        Raises:
            CdkFailed: it did not.
        """
        self._run([*application, str(out)], "synth", meanwhile)

    def bootstrap(self, account: str, region: str) -> None:
        """Make what the CDK needs in the account: a bucket and roles. Changes nothing when current.

        Raises:
            CdkFailed: it could not.
        """
        self._cdk("bootstrap", f"aws://{account}/{region}")

    def prepare(self, assembly: Path, stacks: Sequence[str], change_set: str) -> None:
        """Publish the assets and make a change set of each stack, without carrying it out.

        Raises:
            CdkFailed: one of them could not be made.
        """
        how = ("--method=prepare-change-set", "--change-set-name", change_set)
        self._cdk("deploy", *stacks, "--app", str(assembly), *how, *_HURRY)

    def _cdk(self, command: str, *arguments: str) -> None:
        self._run([*cdk_command(), command, *arguments, *QUIET], command)

    def _run(
        self, argv: Sequence[str], what: str, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        with self._log.open("ab") as log:
            log.write(f"$ {what}: {' '.join(argv[2:])}\n".encode())
            log.flush()
            start = log.tell()
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=REPOSITORY,
                preexec_fn=_tie(),
                start_new_session=True,
            )
        self.pid = child.pid
        try:
            meanwhile()
            code = self._wait(child, what)
        finally:
            self.pid = 0
            _end(child)
        if code:
            raise CdkFailed(f"cdk {what}: {self._why(start, code)}", code)

    def _wait(self, child: "subprocess.Popen[bytes]", what: str) -> int:
        try:
            return child.wait(STEP_S)
        except subprocess.TimeoutExpired:
            raise CdkFailed(
                f"cdk {what} took longer than {STEP_S:.0f} s", -signal.SIGKILL
            ) from None

    def _why(self, start: int, code: int) -> str:
        """The line of the log that says why; the signal where one ended it."""
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        with self._log.open("rb") as log:
            log.seek(start)
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
        lines = [line for line in lines if line][-TAIL_LINES:]
        telling = [line for line in lines if "rror" in line or "❌" in line or "failed" in line]
        why = (telling or lines or ["nothing was said"])[-1]
        return f"{why[:400]} (exit code {code}; see {self._log})"


_HURRY = (
    "--exclusively",
    "--require-approval",
    "never",
    "--progress",
    "events",
    "--concurrency",
    "4",
)
"""Approval was ours to ask; at most four of ours stand beside each other."""


def _tie() -> Callable[[], None] | None:
    """Dies with us; the kernel watches threads, so only the main thread can tie it."""
    if threading.current_thread() is threading.main_thread():
        return dying_with(os.getpid())
    return None


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End the command and all that it started; nothing to do where it has ended."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(5.0)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
