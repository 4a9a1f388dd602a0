"""What replicas vote on, and what names a whole history: pure.

The digest of a batch depends on cluster, epoch and content only, never on view or sequence number.
The chain digest is ``chain_k = H(chain_(k-1), k, digest of batch k)`` with ``chain_0`` the cluster
id, so two ledgers with one chain digest are one history, whichever votes they carry.
"""

from engine.codec import digest_of
from engine.consensus.messages import Batch
from engine.vocabulary import Digest, Entry


def batch_digest(cluster: bytes, epoch: int, batch: Batch) -> Digest:
    """What replicas vote on."""
    return digest_of("batch", cluster, epoch.to_bytes(8, "big"), *batch)


def chain_link(previous: bytes, sequence_number: int, digest: bytes) -> Digest:
    """The chain digest after a batch with ``digest`` at ``sequence_number``."""
    return digest_of("chain", previous, sequence_number.to_bytes(8, "big"), digest)


def chain_after(previous: bytes, entry: Entry, cluster: bytes, epoch: int) -> Digest:
    """The chain digest after ``entry``."""
    digest = batch_digest(cluster, epoch, entry.batch)
    return chain_link(previous, entry.sequence_number, digest)
