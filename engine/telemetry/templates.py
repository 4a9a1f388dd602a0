"""Log templates, mined online: what is constant in lines of one kind, typed where it varies (pure).

Drain's idea (He et al., ICWS 2017): a tree of fixed depth by number of words and first words leads
to a few candidates, of which the most similar one takes the line; words that differ become a
placeholder. What is variable by its form alone is typed first (number, id, address, time, path,
quoted text), so that templates are the same whichever line came first. Everything is bounded: a
line that fits nowhere once the tree is full counts under a template of its length.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from engine.telemetry.loudness import has_form_of_failure
from engine.telemetry.redaction import redact
from engine.telemetry.structured import opened

MAX_WORDS = 40
MAX_TEMPLATES = 4_000
"""Told apart by one miner; twice Drain's usual need for one system's whole log."""
MAX_BRANCHES = 64
"""Different first words of one length; further ones share a branch."""
MAX_OF_BRANCH = 100
"""Templates of one branch: what a line costs at most, whatever somebody writes."""
MAX_REMEMBERED = 20_000
SIMILARITY = 0.6
"""Share of equal words that makes a line one of a template's."""
ANY = "<*>"
_WORD_LIMIT = 64

_TYPES = (
    (
        re.compile(
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
        ),
        "<time>",
        "-",
    ),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>", ":"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>", "-"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>", "."),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>\])]+"), "<url>", "://"),
    (re.compile(r"(?<![\w<])(?:/[\w.@%-]+)+/?"), "<path>", "/"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<hex>", "0x"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{6,}\b"), "<hex>", ""),
    (re.compile(r"(?<=\w)=(?!=)[^\s\"'=,;&<>\[\](){}]+"), "=<value>", "="),
    (re.compile(r"(?<![\w<.])-?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?"), "<number>", ""),
)
"""Forms of what varies, what stands for each, and what is in every text of that form: most lines
lack most of it, and are not searched."""
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|(?<!\w)'(?:[^'\\]|\\.)*')""")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SPLIT = re.compile(r"[\s,;=|]+|(?<=[:\[\](){}])|(?=[\[\](){}])")


class Template(NamedTuple):
    """A kind of line: its number in its miner, and what is constant in it."""

    number: int
    text: str


class _Group:
    """Lines of one kind."""

    __slots__ = ("is_failure", "number", "words")

    def __init__(self, number: int, words: list[str], *, is_failure: bool) -> None:
        self.number = number
        self.words = words
        self.is_failure = is_failure
        """Whether the first line of the kind had the form of a failure."""


@lru_cache(maxsize=1_024)
def typed(line: str) -> str:
    """What a line says, redacted, with a typed placeholder for what is variable by its form.

    Remembered for a while, as history and watch ask for the same lines one after the other.
    """
    line = redact(opened(line))[: MAX_WORDS * _WORD_LIMIT]
    if not line.isprintable():
        line = _CONTROL.sub(" ", line)
    if '"' in line or "'" in line:
        line = _QUOTED.sub("<text>", line)
    for pattern, placeholder, needed in _TYPES:
        if needed in line:
            line = pattern.sub(placeholder, line)
    return line


def _words(typed_line: str) -> list[str]:
    words = [word[:_WORD_LIMIT] for word in _SPLIT.split(typed_line) if word]
    return words[:MAX_WORDS]


class TemplateMiner:
    """Finds the templates of one system's log lines, one line at a time."""

    def __init__(self) -> None:
        self.overflowed = 0
        """Lines that came when the tree was full and fitted no template."""
        self._tree: dict[tuple[int, str], list[_Group]] = {}
        self._branches: dict[int, int] = {}
        self._groups: list[_Group] = []
        self._remembered: dict[str, int] = {}

    def number(self, line: str) -> int:
        """The number of the line's template; 0 where the tree is full and none fits."""
        form = typed(line)
        known = self._remembered.get(form)
        if known is None:
            known = self._place(form)
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[form] = known
        return known

    def text(self, number: int) -> str:
        """What is constant in the template's lines, as far as is known by now."""
        return " ".join(self._groups[number - 1].words) if number else ANY

    def __len__(self) -> int:
        return len(self._groups)

    def is_failure(self, number: int) -> bool:
        """Whether the template's lines read like failures (``engine.telemetry.loudness``)."""
        return number > 0 and self._groups[number - 1].is_failure

    def _place(self, line: str) -> int:
        words = _words(line)
        branch = self._branch(words)
        groups = self._tree.setdefault(branch, [])
        best, most = None, -1.0
        for group in groups:
            alike = _likeness(group.words, words)
            if alike > most:
                best, most = group, alike
        if best is not None and most >= SIMILARITY:
            best.words = [a if a == b else ANY for a, b in zip(best.words, words, strict=True)]
            return best.number
        if len(self._groups) >= MAX_TEMPLATES or len(groups) >= MAX_OF_BRANCH:
            self.overflowed += 1
            return 0
        group = _Group(len(self._groups) + 1, words, is_failure=has_form_of_failure(line))
        self._groups.append(group)
        groups.append(group)
        return group.number

    def _branch(self, words: list[str]) -> tuple[int, str]:
        """Where lines of this form are kept: by length and first constant word."""
        length = len(words)
        first = next((word for word in words[:3] if not word.startswith("<")), ANY)
        if (length, first) not in self._tree:
            if self._branches.get(length, 0) >= MAX_BRANCHES:
                return length, ANY
            self._branches[length] = self._branches.get(length, 0) + 1
        return length, first


def _likeness(template: list[str], words: list[str]) -> float:
    """Share of the words that are the same; a placeholder of the template counts half."""
    if not words:
        return 1.0
    same = sum(1.0 if a == b else 0.5 * (a == ANY) for a, b in zip(template, words, strict=True))
    return same / len(words)
