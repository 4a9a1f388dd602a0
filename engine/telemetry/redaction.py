"""Secrets and personal data leave a text at the entrance, before anybody can keep it (pure).

What is secret is known by its form (a provider's prefix, a PEM block, a JWT), by the word in front
of it (``password=``), or by its checksum (payment cards, IBANs). What merely looks random is left
alone: trace ids, commit hashes, UUIDs, epoch seconds, version numbers and request paths are what
diagnosis works with. Both errors are measured in ``tests/unit/telemetry/test_redaction.py``.
"""

import re
from collections.abc import Callable

MAX_CHARACTERS = 16_384
"""Text beyond this is cut before it is searched."""

_PEM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_TOKENS = re.compile(
    r"\b(?:"
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON Web Tokens (RFC 7519)
    r"|(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}"  # AWS key ids
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}"
    r"|(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|sk-(?:[a-z]+-)?[A-Za-z0-9_-]{20,}"
    r"|AIza[\w-]{30,}"
    r"|ya29\.[\w-]{20,}"
    r"|npm_[A-Za-z0-9]{30,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}"
    r")"
)
_NAMED = re.compile(
    r"""(?ix)
    (?P<name> (?:["']|\b|_) (?:pass(?:word|wd|phrase)?|pwd|secret(?:[_-]?(?:access)?[_-]?key)?|api[_-]?key
        |(?:access|auth|refresh|session|id|csrf|xsrf|bearer|client)[_-]?(?:token|secret|key)|token
        |private[_-]?key|credentials?|set-cookie|cookie|x-api-key|sessionid|jsessionid|ssn|cvv2?|pin)
      ["']? \s* (?: [:=] | => ) \s* )
    (?: (?P<quote>["']) (?P<quoted> (?:\\.|(?!(?P=quote)).){1,512} ) (?P=quote)
      | (?P<bare> [^\s"',;&)}\]]{2,512} ) )
    """
)
_AUTHORIZATION = re.compile(
    r"(?i)\b(?P<name>(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?|)(?P<scheme>bearer|basic|digest)\s+(?P<value>[\w.~+/=-]{8,})"
)
_URL_PASSWORD = re.compile(
    r"(?P<head>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']{0,128}):(?P<value>[^\s/@\"']{1,256})@"
)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_PHONE = re.compile(
    r"(?<![\w.+-])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){2,4}(?![\w-])"
)
_HARMLESS = frozenset(
    {
        "none",
        "null",
        "nil",
        "true",
        "false",
        "empty",
        "missing",
        "invalid",
        "expired",
        "required",
        "redacted",
        "***",
    }
)
_FLAGS = re.compile(r"(?i)\A(?:<[a-z]+>|\*+|\d{1,3}|[a-z]{1,3})\Z")


def redact(text: str) -> str:
    """``text`` without secrets and personal data: each is replaced by a word in angle brackets."""
    text = text[:MAX_CHARACTERS]
    if "PRIVATE KEY" in text:
        text = _PEM.sub("<secret>", text)
    text = _TOKENS.sub("<secret>", text)
    if "://" in text:
        text = _URL_PASSWORD.sub(r"\g<head>:<secret>@", text)
    lower = text.lower()
    if "bearer" in lower or "basic" in lower or "digest" in lower:
        text = _AUTHORIZATION.sub(r"\g<name>\g<scheme> <secret>", text)
    if ":" in text or "=" in text:
        text = _NAMED.sub(_named, text)
    if "@" in text:
        text = _MAIL.sub("<mail>", text)
    text = _IBAN.sub(_if(_is_iban, "<account>"), text)
    text = _CARD.sub(_if(_is_card, "<card>"), text)
    if "-" in text:
        text = _SSN.sub("<person>", text)
    return _PHONE.sub("<phone>", text) if "+" in text else text


def _named(match: re.Match[str]) -> str:
    value = match["quoted"] or match["bare"]
    if value.lower() in _HARMLESS or _FLAGS.match(value):
        return match[0]
    quote = match["quote"] or ""
    return f"{match['name']}{quote}<secret>{quote}"


def _if(true: Callable[[str], bool], placeholder: str) -> Callable[[re.Match[str]], str]:
    return lambda match: placeholder if true(match[0]) else match[0]


def _is_card(written: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1), and a first digit that an issuer has."""
    digits = [int(c) for c in written if c.isdigit()]
    if digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) < 3:
        return False
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(written: str) -> bool:
    """The check digits of ISO 13616."""
    plain = written.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1
