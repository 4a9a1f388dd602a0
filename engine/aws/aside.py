"""Questions whose answers a process does not wait for when it ends.

A long poll of a queue lasts seconds, a service may not answer, and no thread can be interrupted. What is
on one of asyncio's own threads is awaited at the end; what is here is left. It is for reading alone: a
message that was on its way stays in its queue and is handed out again.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["aside"]

Answer = TypeVar("Answer")


async def aside(work: Callable[..., Answer], *of: Any, **asked: Any) -> Answer:  # noqa: ANN401 - any call
    """What ``work`` reads, done on a thread of its own that ends with the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(answer)  # type: ignore[arg-type]  # without an error there is one

    def run() -> None:
        answer, error = None, None
        try:
            answer = work(*of, **asked)
        except Exception as raised:
            error = raised
        # The loop is closed where the process has ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, answer, error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return await done
