"""The viewer's own keys, from a TOML file: ``[keys]`` and then ``approve = "A"`` and the like.

The window's keys stand in the same file, in a table of their own: ``[window]``.
"""

import tomllib
from collections.abc import Collection
from pathlib import Path

import platformdirs


class BadKeymap(ValueError):
    """A keymap file that cannot be used; the message names file, place and remedy."""


def default_keymap_path() -> Path:
    """Where the file is looked for when none is named."""
    return Path(platformdirs.user_config_dir("incident-commander")) / "keys.toml"


TABLES = ("keys", "window")
"""The console's keys and the window's."""


def read_keymap(path: Path, known: Collection[str], table: str = "keys") -> dict[str, str]:
    """Keys by what they do, from one table of the file; several keys are separated by commas.

    Raises:
        BadKeymap: the file cannot be read, is no TOML, or names something that no key does.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadKeymap(f"{path}: cannot read the keys: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadKeymap(f"{path}: {error}") from None
    keys = content.get(table, {})
    if not isinstance(keys, dict) or set(content) - set(TABLES):
        raise BadKeymap(
            f"{path}: only two tables are known: [keys] for the console and [window] for the window, "
            'with lines like approve = "A"'
        )
    for name, value in keys.items():
        if name not in known:
            raise BadKeymap(
                f"{path}: no key does {name!r}; these exist: {', '.join(sorted(known))}"
            )
        if not isinstance(value, str) or not value.strip():
            raise BadKeymap(f'{path}: {name} must be a key in quotes, like "A" or "ctrl+a"')
    return dict(keys)
