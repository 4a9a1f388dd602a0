"""How loud a log line is: by the level that its logger gave it, else by its form (pure).

Loggers name levels in many ways and languages, and some give none, or print a stack trace at the
level of everything else. So a line also counts as loud when it has the *form* of a failure: the
name of an exception's class, a frame of a stack, a level's word where loggers write it. Only what
is left of a line after typing (``engine.telemetry.templates.typed``) is looked at: what a user can
write, in quotes or after ``=``, makes no line loud.
"""

import re
from functools import lru_cache

QUIET, UNEASY, LOUD = 0, 1, 2

_LOUD_WORDS = (
    # Syslog (RFC 5424), java.util.logging, log4j, glog, .NET, Go, and their abbreviations.
    "error err e eror critical crit c fatal f severe emerg emergency alert panic dpanic fail failure "
    "failed exception "
    # The word for "error" in the languages in which loggers are translated most.
    "fehler erreur errore erro fout fel feil virhe błąd chyba hata lỗi ошибка помилка сбой "
    "错误 錯誤 异常 エラー 例外 오류"
)
_UNEASY_WORDS = (
    "warn warning w wrn warnung avertissement avviso aviso advertencia waarschuwing varning "
    "предупреждение 警告 경고"
)
_WORDS: dict[str, int] = dict.fromkeys(_LOUD_WORDS.split(), LOUD)
_WORDS |= dict.fromkeys(_UNEASY_WORDS.split(), UNEASY)
_OPENTELEMETRY_WARN, _OPENTELEMETRY_ERROR, _OPENTELEMETRY_LAST = 13, 17, 24
_ERROR_OF_ALL_SCALES = 50
"""Of libraries that count by tens 50 is an error or worse in all; 40 is a warning in some."""
MAX_LEVEL = 32
LEVEL_WITHIN = 80
"""Characters of a line within which loggers write its level."""

_LEVEL = "|".join(
    re.escape(word.upper())
    for word in (*_LOUD_WORDS.split(), "traceback")
    if len(word) > 2 or not word.isascii()
)
_FORM = re.compile(
    # A level's word in capitals, standing alone, or in any case before a colon at the beginning.
    rf"^.{{0,{LEVEL_WITHIN}}}?(?<![\w.])(?:{_LEVEL})(?=[\s\]:)>|,]|$)"
    rf"|^\W*(?i:{_LEVEL})\s*:"
    # The name of a class, by the custom of most languages.
    r"|(?<![\w.])(?:\w+\.)*[A-Z]\w*(?:Exception|Error|Throwable|Fault)(?![\w.]*=)\b"
    # How glog begins the line of an error, or of a fatal one.
    r"|^[EF]\d{4} <time>"
    # Frames and heads of stacks: the JVM and JavaScript, Python, Go, Rust, .NET, C.
    r"|^\s*at [\w.$<>*/ ]+\("
    r"|^\s*File <text>,? line <number>"
    r"|^\s*(?:Caused by|Traceback|goroutine <number> ?\[|panic)\b"
    r"|\bpanicked at\b|\b(?i:segmentation fault|core dumped|stack ?trace|unhandled|uncaught)\b"
)


@lru_cache(maxsize=256)
def of_level(severity: str) -> int:
    """How loud a logger's word for a level is: 2 for an error, 1 for a warning, else 0."""
    word = severity[:MAX_LEVEL].strip(" \t[]<>():|").lower()
    if word.isascii() and word.isdigit():
        return _of_number(int(word))
    return _WORDS.get(word, QUIET)


def _of_number(number: int) -> int:
    """Of levels that are numbers; below 13 the scales contradict each other."""
    if _OPENTELEMETRY_ERROR <= number <= _OPENTELEMETRY_LAST or number >= _ERROR_OF_ALL_SCALES:
        return LOUD
    return UNEASY if _OPENTELEMETRY_WARN <= number < _OPENTELEMETRY_ERROR else QUIET


def has_form_of_failure(typed_line: str) -> bool:
    """Whether a line reads like a failure, whatever its level; variable parts are typed."""
    return _FORM.search(typed_line) is not None
