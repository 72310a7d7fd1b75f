"""What a bulk resolution of files tells when it is done."""

import msgspec

from models.identity.roles import RoleGuess


class ResolveReport(msgspec.Struct, frozen=True):
    """What was done. `uncertain`: pairs of records of different people that may well be one. `seconds`: by step."""

    records: int
    sources: int
    entities: int
    largest: int
    uncertain: int
    compared_pairs: int
    keys: list[tuple[str, ...]]
    model_version: str
    seconds: dict[str, float]
    roles: list[RoleGuess]
