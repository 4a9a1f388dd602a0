"""The charters of a cluster in one file, each with its proof: nothing in it need be trusted.

Whoever follows the log writes it; whoever does not (an operator's command, a verifier of a single
certificate, an actuator that starts anew) reads it from the genesis on, and takes what is proved.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.codec import Malformed
from engine.consensus.charter_proof import succeeding
from engine.consensus.committee import Committee, Refused
from engine.consensus.effects import Began
from engine.genesis import Genesis
from engine.signing import Verifier

CHARTERS = "charters.json"
"""What the file is called, beside ``genesis.json``."""

_json = msgspec.json.Decoder(tuple[Began, ...])


def write_charters(path: Path, beginnings: Sequence[Began]) -> None:
    """Write the charters with their proofs, whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(tuple(beginnings)), indent=2))
    scratch.replace(path)


def read_beginnings(path: Path) -> tuple[Began, ...]:
    """The charters in a file, unproved; none where there is no file.

    Raises:
        Malformed: it holds something else; names it and the remedy.
    """
    try:
        return _json.decode(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(
            f"{path}: no charters: {error}; remove it, the engine writes it anew"
        ) from None


def read_charters(path: Path, genesis: Genesis, verifier: Verifier) -> Sequence[Genesis]:
    """The genesis and every charter in the file, by epoch.

    Raises:
        Malformed: the file holds something else, or a charter that is not proved.
    """
    return [genesis, *(began.charter for began in read_proved(path, genesis, verifier))]


def read_proved(path: Path, genesis: Genesis, verifier: Verifier) -> Sequence[Began]:
    """The charters in a file with what proves them, each by the quorum of the epoch before it.

    Raises:
        Malformed: the file holds something else, or a charter that is not proved.
    """
    committee = Committee(genesis, verifier)
    found = []
    for began in read_beginnings(path):
        try:
            committee = succeeding(began, committee)
        except Refused as error:
            raise Malformed(
                f"{path}: epoch {began.charter.epoch}: {error}; remove it, the engine writes it anew"
            ) from None
        found.append(began)
    return found
