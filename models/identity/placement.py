"""Which shard is home to an identifier: a stable hash, the same in every process and version."""

from zlib import crc32


def home_shard(identifier: str, shards: int) -> int:
    """Shard number, 0 to `shards` - 1, that owns the index entry of a normalised identifier."""
    return crc32(identifier.encode()) % shards
