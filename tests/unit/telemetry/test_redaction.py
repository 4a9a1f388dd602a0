"""Secrets and personal data go, and what diagnosis works with stays: both errors are measured.

The corpus is ours, invented; what would look like a real credential to a scanner of this
repository is put together at run time.
"""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.redaction import redact

MOST_MISSED = 0.02
MOST_WRONGLY_TAKEN = 0.01


def letters(
    rng: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits
) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def card(rng: random.Random) -> str:
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[::-2]]
    check = -(sum(doubled) + sum(digits[-2::-2])) % 10
    text = "".join(map(str, [*digits, check]))
    return rng.choice([text, " ".join(text[i : i + 4] for i in range(0, 16, 4))])


def iban(rng: random.Random) -> str:
    account = "".join(str(rng.randrange(10)) for _ in range(18))
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02}{account}"


def secrets(rng: random.Random) -> list[tuple[str, str]]:
    """(line, what must not be left of it)."""
    password, key = letters(rng, 12), letters(rng, 32)
    upper = letters(rng, 16, string.ascii_uppercase + string.digits)
    token = ".".join(["eyJ" + letters(rng, 20), "eyJ" + letters(rng, 40), letters(rng, 43)])
    mail = f"{letters(rng, 6)}.{letters(rng, 5)}@example.org"
    number, account = card(rng), iban(rng)
    phone = f"+49 30 {rng.randrange(1_000_000, 9_999_999)}"
    social = f"{rng.randrange(101, 600)}-{rng.randrange(10, 99)}-{rng.randrange(1_000, 9_999)}"
    return [
        (f"login failed for bob password={password} from cache", password),
        (f'config {{"password": "{password}", "retries": 3}}', password),
        (f"DB_PASSWORD='{password}' set", password),
        (f"connecting to postgres://shop:{password}@db:5432/shop", password),
        (f"Authorization: Bearer {token}", token),
        (f"calling upstream with bearer {key}", key),
        (f"GET /pay?api_key={key}&user=7 200", key),
        (f"jwt {token} has expired", token),
        ("using " + "AKI" + f"A{upper} in eu-west-1", upper),
        (f"secret_access_key = {key}", key),
        ("pushing with gh" + f"p_{letters(rng, 36)}", ""),
        ("hook " + "xox" + f"b-{letters(rng, 24)} refused", ""),
        ("charge by s" + f"k_live_{key}", key),
        (f"Set-Cookie: session={key}; Path=/", key),
        (f"client_secret: {key}", key),
        (f"mail to {mail} bounced", mail),
        (f"card {number} declined", number),
        (f"transfer to {account} done", account),
        (f"sms to {phone} sent", phone),
        (f"customer ssn is {social}", social),
        (f"x-api-key: {key}", key),
        (f"-----BEGIN RSA {'PRIVATE'} KEY----- {key}", key),
    ]


def harmless(rng: random.Random) -> list[str]:
    """Lines of which nothing may go."""
    hexes = "0123456789abcdef"
    return [
        f"trace_id={letters(rng, 32, hexes)} span_id={letters(rng, 16, hexes)}",
        f"commit {letters(rng, 40, hexes)} deployed by ci",
        f"deploy of {letters(rng, 7, hexes)} to production",
        f"at {rng.randrange(1_600_000_000, 1_800_000_000)} and {rng.randrange(10**12, 2 * 10**12)}",
        f"version 2.{rng.randrange(30)}.{rng.randrange(99)}-rc.1 of libfoo",
        f"request 123e4567-e89b-12d3-a456-{letters(rng, 12, hexes)} took {rng.random():.3f} s",
        f"10.0.{rng.randrange(256)}.{rng.randrange(256)}:8080 refused the connection",
        "password incorrect for user 17",
        "token expired, refreshing",
        f"token count: {rng.randrange(900)}",
        "Authorization: missing",
        "secret rotation finished in 3 s",
        f"order {rng.randrange(10**9)} paid with card ending {rng.randrange(1_000, 9_999)}",
        f"GET /api/v1/items/{rng.randrange(10**6)}?page=2 200 {rng.randrange(900)}ms",
        f"digest sha256:{letters(rng, 64, hexes)}",
        f"java.lang.NullPointerException at Charge.java:{rng.randrange(999)}",
        f"offset {rng.randrange(10**15)} of partition {rng.randrange(64)}",
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        f"heap {rng.randrange(10**9)} of {rng.randrange(10**10)} bytes",
        f"2026-{rng.randrange(1, 13):02}-11T10:00:{rng.randrange(60):02}.123Z started",
        f"pod shop-7d9f8b6c5-{letters(rng, 5, string.ascii_lowercase)} evicted",
        f"i-{letters(rng, 17, hexes)} terminated in us-east-1a",
        "api_key=none",
        f"checksum {letters(rng, 8, hexes)} differs, cookie: false",
    ]


def test_few_secrets_are_missed_and_little_is_wrongly_taken() -> None:
    rng = random.Random(7)
    missed, taken, dangerous, safe = [], [], 0, 0
    for _ in range(40):
        for line, secret in secrets(rng):
            dangerous += 1
            left = redact(line)
            if left == line or (secret and secret in left):
                missed.append(line)
        for line in harmless(rng):
            safe += 1
            if redact(line) != line:
                taken.append((line, redact(line)))

    assert len(missed) <= MOST_MISSED * dangerous, missed[:5]
    assert len(taken) <= MOST_WRONGLY_TAKEN * safe, taken[:5]


@pytest.mark.parametrize("line", ["password=<secret>", "mail <mail> of <person>"])
def test_what_is_redacted_stays_as_it_is(line: str) -> None:
    assert redact(line) == line


@given(st.text(max_size=2_000))
def test_any_text_is_redacted_and_no_longer_much(text: str) -> None:
    assert len(redact(text)) <= 9 * len(text) + 9
