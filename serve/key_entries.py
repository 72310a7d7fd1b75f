"""What HTTP and the command line both say and ask of API keys."""

from actors.api_keys import ApiKey
from actors.errors import Invalid
from models.privacy.purposes import Purposes
from models.privacy.residency import Residency
from models.segments.times import parse_duration
from serve.http_schemas import KeyEntry, time_text, time_text_or_none

OVERLAP = "1h"


def key_entry(key: ApiKey) -> KeyEntry:
    """A key as it is shown."""
    return KeyEntry(
        id=key.key_id,
        name=key.name,
        hint=key.hint,
        scopes=list(key.scopes),
        source_id=key.source_id,
        created_at=time_text(key.created_at),
        revoked_at=time_text_or_none(key.revoked_at),
        expires_at=time_text_or_none(key.expires_at),
        purpose=key.purpose,
        region=key.region,
    )


def key_facts(key: ApiKey) -> dict[str, str]:
    """What the audit log says of a new key."""
    bounds = {"purpose": key.purpose, "region": key.region}
    return {"key_id": key.key_id} | {name: value for name, value in bounds.items() if value}


def parse_key_purpose(text: str, purposes: Purposes) -> str:
    """The purpose that a key is to read for, "" for any. Raises Invalid."""
    if text and text not in purposes.known:
        known = ", ".join(purposes.known) or "none: the registry is empty"
        raise Invalid(f"purpose: expected a purpose of the registry ({known})")
    return text


def parse_region(text: str, residency: Residency) -> str:
    """The region of whoever reads, "" for that of the service. Raises Invalid."""
    if text and text not in residency.regions:
        raise Invalid(f"region: expected one of residency.regions ({', '.join(residency.regions) or 'there are none'})")
    return text


def parse_lifetime(text: str) -> int:
    """How long a key is valid, ms; 0, for ever, if the text is empty. Raises Invalid."""
    return _duration("expires", text) if text else 0


def parse_overlap(text: str) -> int:
    """How long the former secret stays valid, ms. Raises Invalid."""
    return 0 if text == "0" else _duration("overlap", text)


def _duration(field: str, text: str) -> int:
    found = parse_duration(text)
    if found is None:
        more = ', or "0"' if field == "overlap" else ""
        raise Invalid(f'{field}: expected a duration such as "90m", "12h" or "30d"{more}')
    return found
