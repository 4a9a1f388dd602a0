"""What a closed window may have left: looked for as pyvistaqt's own tests do."""

import gc
import threading
from typing import NamedTuple, TypeVar

from PySide6.QtCore import QEvent, QTimer
from PySide6.QtWidgets import QApplication
from vtkmodules.vtkCommonCore import vtkObjectBase

TRIES = 5

Kind = TypeVar("Kind")


class Leftovers(NamedTuple):
    """Ids of what lives at one moment."""

    vtk: frozenset[int]
    threads: frozenset[int | None]
    widgets: frozenset[int]

    @classmethod
    def now(cls) -> "Leftovers":
        """What lives now."""
        vtk = frozenset(id(it) for it in _living(vtkObjectBase))
        threads = frozenset(it.ident for it in threading.enumerate())
        return cls(vtk, threads, frozenset(id(it) for it in QApplication.topLevelWidgets()))

    @staticmethod
    def settled_since(before: "Leftovers") -> list[str]:
        """What is new and stays, in words; the event loop gets some rounds to let it go."""
        found: list[str] = []
        for _ in range(TRIES):
            QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            QApplication.processEvents()
            gc.collect()
            found = _new_since(before)
            if not found:
                return []
        return found


def _new_since(before: Leftovers) -> list[str]:
    found = [type(it).__name__ for it in _living(vtkObjectBase) if id(it) not in before.vtk]
    found += [it.name for it in threading.enumerate() if it.ident not in before.threads]
    found += [
        type(it).__name__
        for it in QApplication.topLevelWidgets()
        if id(it) not in before.widgets and it.isVisible()
    ]
    found += ["QTimer" for it in _living(QTimer) if _is_active(it)]
    return found


def _living(kind: type[Kind]) -> list[Kind]:
    """Every object of a kind, by its own type: a dead weak proxy raises when it is asked for its class."""
    return [it for it in gc.get_objects() if issubclass(type(it), kind)]


def _is_active(timer: QTimer) -> bool:
    try:
        return timer.isActive()
    except RuntimeError:  # Qt has deleted it already.
        return False
