"""What a column's name says its values are: a role, a reason to leave it alone, or nothing. Pure."""

from dataclasses import dataclass

from models.identity.record import Role
from models.identity.role_words import word_set, words

LEAK = "looks like the label of a group of records (leak risk): such a label is what matching has to find"
ROW_ID = "a record's own id, which says nothing of the person"
DATE = "a date that is not a birth"
OTHER_PERSON = "about another person"
ORGANISATION = "about an organisation, which many people share"


@dataclass(frozen=True)
class Hint:
    """What a name says. Neither `role` nor `ignore`: nothing. `bare`: only that it is a name or an address."""

    role: Role | None = None
    ignore: str = ""
    bare: bool = False


# Words that say which of several or whose, and change nothing about what the value is.
_CONTEXT = word_set(
    "primary secondary native home work mobile office business billing shipping mailing delivery default other "
    "alternate alternative alt main current permanent legal residential residence personal private preferred "
    "customer client user person contact member patient subscriber student buyer recipient traits trait "
    "properties attributes context profile the of and a c my your raw original orig clean cleaned std "
    "standardized normalized new old previous prev former text value field input s e 1 2 3 line full "
    "complete display cardholder holder account card guest applicant passenger voter borrower insured participant "
    "respondent resident employee pt p attr col column english local additional associated und et y or de du da "
    "di do la el van der"
)
_ABOUT_A_VALUE = word_set(
    "type kind status verified valid validated validity opt optin optout consent subscribed unsubscribed bounce "
    "bounced flag count total score rating accepts accept marketing is has deleted expiry expires expiration exp "
    "issue issued issuer issuing latitude longitude lat lng lon geo geocode geocoded accuracy domain description "
    "photo avatar image picture locale timezone timezones tz language lang browser agent page path referrer utm "
    "campaign ip format quality confidence method frequency brand funding cvc cvv delinquent size length hour "
    "width preference preferences relationship relation role reason quarantined clicked opened sent replied "
    "delivered website web homepage url uri link version"
)
_SOURCES = word_set("source origin channel medium")
_FREE_TEXT = word_set("note notes comment comments remark remarks bio about message tag tags memo body")
_AMOUNTS = word_set(
    "amount price cost revenue spend spent balance salary income sum qty quantity orders purchases visits "
    "sessions ltv clv wages wage discount currency points percent ratio age weight height"
)
_EVENTS = word_set(
    "order invoice transaction event session message payment charge refund cart checkout shipment ticket case "
    "product sku item deal opportunity campaign batch job file import load"
)
_LABELS = word_set(
    "cluster clusters entity truth household hh match matched matching dedupe dedup duplicate golden gold "
    "canonical master resolved merge merged fold component block family group ground label labels true actual"
)
_OTHERS = word_set(
    "mother mothers father fathers spouse partner husband wife emergency guardian parent parents child children "
    "kin owner assistant manager agent referred referrer referral sponsor beneficiary reports supervisor rep "
    "representative advisor doctor physician creator author editor approver assignee madre padre mere pere mutter "
    "vater dependent"
)
_DATES = word_set(
    "date time created create updated modified changed joined since signup registered registration last seen "
    "login at year month day week quarter death deceased hire hired start end anniversary period"
)
_GROUPS_NUMBER = frozenset({"id", "number", "code", "key"})
_HOLDERS = word_set(
    "account customer user member contact crm subscriber visitor anonymous device cookie advertising idfa gaid "
    "card iban external stripe salesforce sfdc shopify hubspot braze segment zendesk intercom mailchimp klaviyo "
    "marketo patient student employee policy mrn medical subscription client guest loyalty frequent flyer voter "
    "badge buyer"
)
_SOCIAL = word_set("twitter instagram linkedin facebook github tiktok snapchat skype telegram wechat discord")
_ORGANISATION_NUMBERS = word_set("lei ein vat duns siret siren abn ust ustid uen gst gstin crn")


def hint_of(name: str) -> Hint:
    """What the name of a column says of its values."""
    found = words(name)
    said = frozenset(found)
    for judge in (_left_alone, _national, _contact, _birth, _names, _places, _ids, _dates):
        if (hint := judge(found, said)) is not None:
            return hint
    return Hint()


def _left_alone(found: tuple[str, ...], said: frozenset[str]) -> Hint | None:
    if said & _SOCIAL and "security" not in said:
        return Hint("other_id")
    if "hash" in said:
        return Hint("other_id")
    if said & _OTHERS:
        return Hint(ignore=OTHER_PERSON)
    if said & _ABOUT_A_VALUE:
        return Hint(ignore="says something about another value, or how it is used")
    if said & _SOURCES:
        return Hint(ignore="where the record comes from")
    if said & _FREE_TEXT:
        return Hint(ignore="free text")
    if said & _AMOUNTS:
        return Hint(ignore="an amount or a count")
    if said & _LABELS and not ("name" in said and said & {"family"}) and not said <= {"family", "1", "2"}:
        return Hint(ignore=LEAK)
    return None


def _national(found: tuple[str, ...], said: frozenset[str]) -> Hint | None:
    if said & _ORGANISATION_NUMBERS and "birth" not in said:
        return Hint(ignore="an organisation's number")
    government = (
        ("national" in said and said & {"id", "number", "insurance", "code", "register"})
        or {"social", "security"} <= said
        or {"social", "insurance"} <= said
        or "passport" in said
        or ("driver" in said and said & {"license", "id", "number"})
        or said == {"driver"}
        or ("license" in said and said <= _CONTEXT | _GROUPS_NUMBER | {"license"})
        or ("tax" in said and said & {"id", "number", "code"})
        or (said >= {"personal", "number"} or said >= {"personal", "id"})
        or {"codice", "tax"} <= said
    )
    if not government:
        return None
    if said & {"country", "region", "date", "place", "name", "year", "month", "class", "exempt"}:
        return Hint(ignore="about a document, not its number")
    if "last" in said or "4" in said:
        return Hint(ignore="only a part of a number, which many people share")
    return Hint("national_id")


def _contact(found: tuple[str, ...], said: frozenset[str]) -> Hint | None:
    if "fax" in said:
        return Hint(ignore="a fax is shared by an office")
    if "employer" in said:
        rest = [word for word in found if word not in _CONTEXT]
        if set(rest) <= {"employer", "name", "address"} and found[-1] != "address":
            return Hint("employer")
        return Hint(ignore=ORGANISATION)
    if {"account", "name"} <= said and "holder" not in said and not said & {"first", "last", "given", "surname"}:
        return Hint("employer")
    if said >= {"contact", "number"} and said <= {"contact", "number"} | _CONTEXT:
        return Hint("phone")
    if said & {"email"}:
        return Hint("email")
    if "phone" in said and not said & {"device", "model", "carrier", "code", "os"}:
        return Hint("phone")
    return None


def _birth(found: tuple[str, ...], said: frozenset[str]) -> Hint | None:
    if "birth" not in said:
        return Hint("family_name") if "maiden" in said else None
    if said & {"place", "city", "country", "region", "in", "house"}:
        return Hint("birth_place")
    for part, role in _BIRTH_PARTS:
        if part in said:
            return Hint(role)
    return Hint("family_name" if "name" in said and "date" not in said else "birth_date")


_BIRTH_PARTS: tuple[tuple[str, Role], ...] = (
    ("year", "birth_year"),
    ("month", "birth_month"),
    ("day", "birth_day"),
)


def _names(found: tuple[str, ...], said: frozenset[str]) -> Hint | None:
    rest = [word for word in found if word not in _CONTEXT]
    if "gender" in said:
        return Hint("gender")
    if said & {"salutation"} or rest == ["name", "title"]:
        return Hint(ignore="a form of address")
    if rest == ["username"] or found == ("user", "name"):
        return Hint("other_id")
    if said & {"place", "street", "house", "city", "country", "region", "address"}:
        return None
    first = bool(said & {"given"}) or ("first" in said and ("name" in said or rest == ["first"] or "surname" in said))
    last = (
        "surname" in said
        or ("last" in said and ("name" in said or rest == ["last"]))
        or ("family" in said and set(rest) <= {"family", "name"})
    )
    last = last or ("first" in said and said >= {"first", "last", "name"})
    if "middle" in said and set(rest) <= {"middle", "name", "initial", "given"}:
        return Hint("middle_name")
    if first and last:
        return Hint("full_name")
    if "suffix" in said and set(rest) <= {"suffix", "name", "code"}:
        return Hint("name_suffix")
    if first and set(rest) <= {"first", "given", "name", "nickname", "initial"}:
        return Hint("given_name")
    if last and set(rest) <= {"last", "surname", "family", "name", "initial"}:
        return Hint("family_name")
    if set(rest) <= {"nickname", "name"} and "nickname" in rest:
        return Hint("given_name", bare=True)
    if set(rest) == {"initial"}:
        return Hint("given_name")
    if rest and set(rest) <= {"name"}:
        return Hint("full_name", bare="full" not in said)
    if ("title" in said and set(rest) <= {"title", "name", "occupation"}) or "occupation" in said:
        return Hint("occupation")
    if "name" in said:
        return Hint(ignore="a name of something else than a person")
    return None


def _places(found: tuple[str, ...], said: frozenset[str]) -> Hint | None:
    if "number" in said and said & {"street", "house", "address"} and "unit" not in said:
        both = found.count("street") > 1 or ("street" in said and said & {"and", "und", "et", "e", "y"})
        return Hint("street_address" if both else "street_number")
    if "city" in said and said & {"region", "postcode"}:
        return Hint("full_address" if said >= {"region", "postcode"} else "city")
    if "postcode" in said:
        return Hint("postcode")
    if said & {"unit"}:
        return Hint("unit")
    if "country" in said:
        return Hint("country")
    if "region" in said:
        return Hint("region")
    if "city" in said:
        return Hint("city")
    if "street" in said and "name" in said:
        return Hint("street_name")
    if "house" in said and set(found) <= _CONTEXT | {"house", "name", "address"}:
        return Hint("street_number" if "name" not in said else "unit")
    if said & {"street"} or ("address" in said and said & {"line", "1", "2", "3"} and "full" not in said):
        return Hint("unit" if said & {"2", "3"} else "street_address", bare=True)
    if "address" in said:
        return Hint("full_address", bare="full" not in said and "complete" not in said)
    return None


def _ids(found: tuple[str, ...], said: frozenset[str]) -> Hint | None:
    rest = said - {"the", "of", "a", "c", "s"}
    known = bool(rest & _HOLDERS)
    if "identifiers" in rest and rest <= _HOLDERS | _CONTEXT | {"identifiers"}:
        return Hint("other_id")
    if rest & _EVENTS:
        return Hint(ignore="names an event or a thing, not a person")
    if rest & {"iban", "mrn", "idfa", "gaid", "fingerprint"} or (known and rest & {"id", "key", "number", "code"}):
        return Hint("other_id") if "record" not in rest else Hint(ignore=ROW_ID)
    if not rest & {"id", "key", "identifiers"} and rest != {"number"} and rest != {"unique"}:
        return None
    if rest <= {"id", "key", "number", "unique", "record", "hs", "sys", "system", "internal", "table", "1", "2"}:
        return Hint(ignore=ROW_ID)
    if rest & {"person", "subject", "party", "real"}:
        return Hint(ignore=LEAK)
    return Hint(ignore="an id of unknown meaning; if one value means one person, name it: --columns other_id=COLUMN")


def _dates(found: tuple[str, ...], said: frozenset[str]) -> Hint | None:
    return Hint(ignore=DATE) if said & _DATES else None
