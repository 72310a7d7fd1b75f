"""All duties that `onefold privacy verify` tries, in the order of the law."""

from serve import verify_consent, verify_minimisation, verify_records, verify_residency, verify_subjects

ROWS = sorted(
    (
        *verify_minimisation.ROWS,
        *verify_consent.ROWS,
        *verify_subjects.ROWS,
        *verify_records.ROWS,
        *verify_residency.ROWS,
    ),
    key=lambda row: int("".join(c if c.isdigit() else " " for c in row.duty).split()[0]),
)
