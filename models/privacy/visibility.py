"""What of a profile may be read for a purpose: what serves it, while it has a basis; the rest is withheld."""

from collections.abc import Mapping
from typing import Any, Literal

from models.privacy.gate import is_minor
from models.privacy.purposes import SECTIONS, Purposes, basis_ends, has_basis
from models.profile.state import Profile

EVERYTHING = "everything"  # what is withheld of a person for whom the purpose has no basis


def may_read(profile: Profile, purposes: Purposes, purpose: str, now: int) -> bool:
    """Whether a purpose of the registry has a basis for a person at `now` ms."""
    if not purposes.is_on:
        return True
    minor = is_minor(profile, purposes, now)
    return has_basis(purpose, purposes.known[purpose], profile.consents, now, minor)


def readable_until(profile: Profile, purposes: Purposes, purpose: str, now: int) -> int:
    """When time alone ends the basis that a purpose has, ms; 0 for never."""
    if not purposes.is_on:
        return 0
    return basis_ends(purposes.known[purpose], purpose, profile.consents, now)


def visible(
    document: dict[str, Any], empty: Mapping[str, Any], purposes: Purposes, purpose: str, readable: bool
) -> dict[str, Any]:
    """The document for a purpose. `empty` is that of a profile of which nothing is known: its sections stand for those
    that are withheld. `withheld` says of which sections how many entries are."""
    if not purposes.is_on:
        return document
    if not readable:
        kept = {name: document[name] for name in ("customer_id", "version", "created_at", "privacy")}
        return {**empty, **kept, "withheld": {EVERYTHING: 1}}
    withheld: dict[str, int] = {}
    shown = dict(document)
    kinds: tuple[tuple[str, Literal["traits", "events"]], ...] = (("attributes", "traits"), ("behaviors", "events"))
    for section, kind in kinds:
        entries = document[section]
        serving = {name: told for name, told in entries.items() if purpose in purposes.serving(kind, name)}
        shown[section] = serving
        if len(serving) < len(entries):
            withheld[section] = len(entries) - len(serving)
    for section in SECTIONS:
        if purpose not in purposes.serving("sections", section) and document[section] != empty[section]:
            shown[section] = empty[section]
            withheld[section] = len(document[section]) if isinstance(document[section], list) else 1
    return {**shown, "withheld": withheld} if withheld else shown
