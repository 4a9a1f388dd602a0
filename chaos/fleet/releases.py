"""The releases of the shop's services: what each adds at the beginning of every request.

A release here is a step that a request passes before its handler runs. Which release is live is
for everybody to see; what is wrong with one, nobody is told: it has to show itself.
"""

import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

Step = Callable[[str], object]
"""Takes the request's id; what it raises fails the request."""

_REGIONS = ("eu", "uk", "us")
_CURRENCIES = {"eu": "EUR", "uk": "GBP", "us": "USD"}
_RATES: dict[str, dict[str, str | int]] = {
    "eu": {"currency": "EUR", "digits": 2},
    "uk": {"currency": "GBP", "digits": 2},
    "us": {"digits": 2},
}
_LAYOUTS = ("classic", "compact")
_LOCALES = {"eu": ("de_DE", 1), "uk": ("en_GB", 0), "us": ("en_US", 0)}
_COUPONS: dict[str, int | None] = {"eu": 0, "uk": None, "us": 5}
_SHARDS = ("0", "1", "b")
_TRAILS: list[IO[bytes]] = []
_STOCKROOMS: dict[str, tuple[str, int] | None] = {
    "eu": ("rotterdam", 4),
    "uk": ("felixstowe", 2),
    "us": None,
}


def _region(request_id: str) -> str:
    return _REGIONS[zlib.crc32(request_id.encode()) % len(_REGIONS)]


def _plain(request_id: str) -> object:
    return request_id


def _currency_by_region(request_id: str) -> object:
    return _CURRENCIES[_region(request_id)]


def _rounding_by_rate(request_id: str) -> object:
    rate = _RATES[_region(request_id)]
    return rate["currency"], rate["digits"]


def _layout_of_cohort(request_id: str) -> object:
    return _LAYOUTS[zlib.crc32(request_id.encode()) % 3]


def _layout_for_all(request_id: str) -> object:
    return _LAYOUTS[len(request_id) % 2]


def _locale(request_id: str) -> object:
    name, _ = _LOCALES[_region(request_id)]
    return name


def _price_step(request_id: str) -> object:
    _, digits = _LOCALES[_region(request_id)]
    return 100 % (1 - digits)


def _discount(request_id: str) -> object:
    return _COUPONS.get(_region(request_id)) or 0


def _discount_total(request_id: str) -> object:
    return 100 - _COUPONS[_region(request_id)]  # type: ignore[operator]  # what 1.1.0 shipped


def _shard(request_id: str) -> object:
    return int(_SHARDS[zlib.crc32(request_id.encode()) % len(_SHARDS)])


def _shard_in_hex(request_id: str) -> object:
    return int(_SHARDS[zlib.crc32(request_id.encode()) % len(_SHARDS)], 16)


def _stockroom(request_id: str) -> object:
    stockroom = _STOCKROOMS[_region(request_id)]
    return stockroom[0]  # type: ignore[index]  # what 1.0.1 shipped


def _stockroom_or_any(request_id: str) -> object:
    stockroom = _STOCKROOMS[_region(request_id)]
    return stockroom[0] if stockroom else "any"


def _audited(one_in: int) -> Step:
    """A step that writes an audit trail of one request in so many, each to a file of its own."""

    def step(request_id: str) -> object:
        if zlib.crc32(request_id.encode()) % one_in:
            return None
        trail = Path(os.devnull).open("wb", buffering=0)  # noqa: SIM115 -- what 1.3.0 shipped
        _TRAILS.append(trail)
        return trail.write(request_id.encode())

    return step


RELEASES: Mapping[str, Mapping[str, Step]] = MappingProxyType(
    {
        "gateway": {
            "1.0.0": _plain,
            "1.0.1": _layout_for_all,
            "1.1.0": _locale,
            "1.2.0": _layout_of_cohort,
            "1.3.0": _audited(5),
        },
        "catalog": {
            "1.0.0": _plain,
            "1.0.1": _locale,
            "1.1.0": _price_step,
            "1.3.0": _audited(6),
        },
        "cart": {"1.0.0": _plain, "1.0.1": _discount, "1.1.0": _discount_total},
        "orders": {
            "1.0.0": _plain,
            "1.1.0": _shard_in_hex,
            "1.2.0": _shard,
            "1.3.0": _audited(2),
        },
        "payments": {"1.0.0": _plain, "1.0.1": _currency_by_region, "1.1.0": _rounding_by_rate},
        "inventory": {"1.0.0": _plain, "1.0.1": _stockroom, "1.1.0": _stockroom_or_any},
    }
)


def step_of(service: str, release: str) -> Step | None:
    """The code that ``release`` of ``service`` runs, or None where there is no such release."""
    return RELEASES.get(service, {}).get(release)
