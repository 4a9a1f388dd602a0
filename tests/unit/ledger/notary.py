"""A court's log as a ledger on disk: committed and sealed by the court's own agents."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine import genesis as genesis_file
from engine.codec import encode
from engine.consensus.certificate import Seal
from engine.consensus.digests import batch_digest, chain_after
from engine.consensus.messages import Commit, Message, Status
from engine.genesis import Genesis
from engine.ledger.export import write_export
from engine.ledger.sqlite import SqliteLedger
from engine.policy import write_rules
from engine.signing import Domain
from engine.vocabulary import Entry, Signed
from tests.court import AGENTS, SHOP, Court, signer_of


class Notary:
    """Writes down what a court said, one submission an entry."""

    def __init__(self, court: Court, folder: Path) -> None:
        self.court = court
        self.folder = folder
        self.genesis: Genesis = court.genesis
        self.entries = [
            self.entry(number, signed) for number, (_, _, signed) in enumerate(court.log, 1)
        ]
        folder.mkdir(exist_ok=True)
        self.keys = folder / "genesis.json"
        genesis_file.write(self.genesis, self.keys)
        write_rules(court.rules, folder / "policy.toml")
        shutil.copy(SHOP, folder / "fleet.toml")

    def sign(self, place: int, message: Message) -> bytes:
        """A replica's signed frame."""
        payload = encode(message)
        signer = signer_of(AGENTS[place], self.court.name)
        return encode(Signed(payload, signer.sign(Domain.CONSENSUS, payload)))

    def entry(self, number: int, *batch: bytes, voters: int = 4) -> Entry:
        """An entry that ``voters`` replicas committed."""
        head = (self.genesis.cluster, self.genesis.epoch)
        digest = batch_digest(*head, batch)
        commits = tuple(
            self.sign(place, Commit(*head, place, 0, number, digest)) for place in range(voters)
        )
        return Entry(number, 0, batch, commits)

    def chain(self, entries: Sequence[Entry]) -> bytes:
        """The chain digest that ``entries`` make."""
        chain: bytes = self.genesis.cluster
        for entry in entries:
            chain = chain_after(chain, entry, self.genesis.cluster, self.genesis.epoch)
        return chain

    def seal(self, entries: Sequence[Entry], voters: int = 4) -> Seal:
        """The word of ``voters`` replicas that the ledger ends here."""
        head = (self.genesis.cluster, self.genesis.epoch)
        chain = self.chain(entries)
        statuses = tuple(
            self.sign(place, Status(*head, place, 0, True, len(entries), chain, 0))
            for place in range(voters)
        )
        return Seal(len(entries), chain, statuses)

    # --- on disk --------------------------------------------------------------------------------

    def export(self, entries: Sequence[Entry] | None = None, seal: Seal | None = None) -> Path:
        """The canonical export; of everything, sealed, unless told otherwise."""
        path = self.folder / "ledger.jsonl"
        kept = self.entries if entries is None else entries
        write_export(path, self.genesis, kept, seal or self.seal(self.entries))
        return path

    def database(self) -> Path:
        """The whole ledger in SQLite, sealed."""
        path = self.folder / "ledger.sqlite"
        ledger = SqliteLedger(path, self.genesis)
        ledger.append(self.entries, 0)
        ledger.keep_seal(self.seal(self.entries))
        ledger.close()
        return path

    def keys_beside(self, *others: Genesis) -> Path:
        """A list of trusted geneses: other clusters' first."""
        path = self.folder / "keys.json"
        geneses = [*others, self.genesis]
        path.write_text(json.dumps([json.loads(msgspec.json.encode(one)) for one in geneses]))
        return path
