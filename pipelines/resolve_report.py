"""What a bulk resolution of files tells when it is done."""

import msgspec

from models.identity.roles import RoleGuess


class ResolveReport(msgspec.Struct, frozen=True):
    """What was done. `uncertain`: pairs of records of different people that may well be one. `seconds`: by step.
    With an earlier run's clusters: `kept_ids`, entities that have the ids they had there, and `redirects`, retired ids
    that were written, those of earlier runs among them."""

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
    kept_ids: int | None = None
    redirects: int | None = None
