"""A key that signs, made once for all tests: that takes a while."""

import tempfile
from functools import cache
from pathlib import Path

from actors.signing_key import load_signer
from models.privacy.signing import Signer

MADE_AT = 1_772_368_200_000  # 2026-03-01T12:30:00Z
DOMAIN = "localhost"


@cache
def one_signer() -> Signer:
    """A signer for DOMAIN."""
    with tempfile.TemporaryDirectory() as data_dir:
        return load_signer(Path(data_dir), DOMAIN, lambda: MADE_AT)
