"""All duties that `onefold privacy verify` tries, in the order of the law."""

from serve import verify_consent, verify_minimisation, verify_records, verify_subjects
from serve.verify_rows import Broken, Row
from serve.verify_scene import Scene


def not_available(scene: Scene) -> str:
    """A capability that this version does not have. Raises Broken."""
    raise Broken("not available")


_MISSING = (Row("GDPR 44-49", "residency by region", "an EU profile leaves no byte on a US node", not_available),)

ROWS = sorted(
    (*_MISSING, *verify_minimisation.ROWS, *verify_consent.ROWS, *verify_subjects.ROWS, *verify_records.ROWS),
    key=lambda row: int("".join(c if c.isdigit() else " " for c in row.duty).split()[0]),
)
