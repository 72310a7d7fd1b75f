"""What of a person may be read for a purpose: what serves it, while it has a basis; the rest is withheld.

Whether the purpose has a basis for the person says `may_read`. The other functions say what of them serves the purpose,
and are asked only about people whom it may read.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from models.events.event import Event
from models.identity.evidence import Explanation
from models.identity.profile_record import fields_of_trait
from models.privacy.gate import is_minor
from models.privacy.purposes import SECTIONS, Purposes, admit, basis_ends, has_basis, is_restricted
from models.profile.document import FROM_CONTEXT
from models.profile.state import Profile
from models.segments.compile import Reads

EVERYTHING = "everything"  # what is withheld of a person for whom the purpose has no basis


def may_read(profile: Profile, purposes: Purposes, purpose: str, now: int) -> bool:
    """Whether a purpose of the registry has a basis for a person at `now` ms. Without a registry everything has, unless
    the person's processing is restricted."""
    if not purposes.is_on:
        return not is_restricted(profile.consents)
    minor = is_minor(profile, purposes, now)
    return has_basis(purpose, purposes.known[purpose], profile.consents, now, minor)


def readable_until(profile: Profile, purposes: Purposes, purpose: str, now: int) -> int:
    """When time alone ends the basis that a purpose has, ms; 0 for never."""
    if not purposes.is_on:
        return 0
    return basis_ends(purposes.known[purpose], purpose, profile.consents, now)


def may_be_scored(profile: Profile, purposes: Purposes, now: int) -> bool:
    """Whether models may score a person at `now` ms: whether a purpose that scores serve has a basis; without a
    registry unless the person's processing is restricted."""
    if not purposes.is_on:
        return not is_restricted(profile.consents)
    minor = is_minor(profile, purposes, now)
    return any(
        has_basis(name, purposes.known[name], profile.consents, now, minor)
        for name in purposes.serving("sections", "scores")
    )


def looked_at_until(profile: Profile, purposes: Purposes, now: int) -> int:
    """When time alone may end that a person may be scored, ms; 0 for never."""
    if not purposes.is_on:
        return 0
    ends = [
        basis_ends(purposes.known[name], name, profile.consents, now) for name in purposes.serving("sections", "scores")
    ]
    return min((end for end in ends if end), default=0)


def visible(
    document: dict[str, Any], empty: Mapping[str, Any], purposes: Purposes, purpose: str, readable: bool
) -> dict[str, Any]:
    """The document for a purpose. `empty` is that of a profile of which nothing is known: its sections stand for those
    that are withheld. `withheld` says of which sections how many entries are."""
    if not purposes.is_on and readable:
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
    if not serves(purposes, purpose, "sections", "realTimeContext"):  # from which some preferences are taken
        told = shown["preferences"]
        shown["preferences"] = {name: each for name, each in told.items() if each["source"] != FROM_CONTEXT}
        if len(shown["preferences"]) < len(told):
            withheld["preferences"] = len(told) - len(shown["preferences"])
    return {**shown, "withheld": withheld} if withheld else shown


def serves(purposes: Purposes, purpose: str, kind: Literal["traits", "events", "sections"], name: str) -> bool:
    """Whether a piece of data serves a purpose."""
    return purposes.allows(kind, name, (purpose,))


def serves_trait(purposes: Purposes, purpose: str, name: str) -> bool:
    """Whether what criteria read as a trait serves a purpose: "a.b" is an attribute of that name or a part of "a"."""
    return all(serves(purposes, purpose, "traits", each) for each in (name, name.partition(".")[0]))


def serves_all(purposes: Purposes, purpose: str, reads: Reads) -> bool:
    """Whether all that criteria or a computed trait read serves a purpose."""
    sections = {"engagement": reads.channels, "transactions": reads.orders, "lifecycle": reads.lifecycle}
    return (
        all(serves_trait(purposes, purpose, trait) for trait in reads.traits)
        and all(serves(purposes, purpose, "events", event) for event in reads.events)
        and all(serves(purposes, purpose, "sections", name) for name, is_read in sections.items() if is_read)
    )


def serves_special(purposes: Purposes, purpose: str, reads: Reads) -> bool:
    """Whether all of a special category that criteria read serves a purpose."""
    traits = {part for trait in reads.traits for part in (trait, trait.partition(".")[0])}
    pieces: list[tuple[Literal["traits", "events"], str]] = [("traits", each) for each in traits]
    pieces += [("events", each) for each in reads.events]
    return all(serves(purposes, purpose, *piece) for piece in pieces if purposes.is_special(*piece))


def shown_event(event: Event, purposes: Purposes, purpose: str) -> Event | None:
    """What of an event serves a purpose, the very event if that is all of it; None for nothing."""
    if not purposes.is_on:
        return event
    shown = admit(purposes, event, frozenset({purpose})).event
    if shown is None:
        return None
    if not serves(purposes, purpose, "sections", "identities"):
        # Identifiers are in many places of a context, and no list of these is complete.
        context = {name: value for name, value in shown.context.items() if name in ("consent", "traits")}
        shown = msgspec.structs.replace(shown, identifiers=(), demoted=(), context=context)
    if shown.group_id and not serves(purposes, purpose, "sections", "groups"):
        shown = msgspec.structs.replace(shown, group_id="")
    return shown


def shown_evidence(explanation: Explanation, purposes: Purposes, purpose: str) -> Explanation:
    """The evidence with the values that certainly serve a purpose; the weights of the others stay, so that it adds
    up. The very evidence if all of its values do."""
    if not purposes.is_on:
        return explanation
    hidden = [
        place
        for place, field in enumerate(explanation.fields)
        if (field.left or field.right) and not _serves_field(purposes, purpose, field.field)
    ]
    if not hidden:
        return explanation
    fields = list(explanation.fields)
    for place in hidden:
        fields[place] = msgspec.structs.replace(fields[place], left="", right="")
    return msgspec.structs.replace(explanation, fields=tuple(fields))


def _serves_field(purposes: Purposes, purpose: str, field: str) -> bool:
    """Whether every trait that a field of the evidence may come from serves a purpose: which one it was is not kept."""
    if field in ("email", "phone") and not serves(purposes, purpose, "sections", "identities"):
        return False
    if "*" in purposes.known[purpose].data.traits:
        return True
    others = [name for other, each in purposes.known.items() if other != purpose for name in each.data.traits]
    return purpose == purposes.default and not any(field in fields_of_trait(name) for name in others)
