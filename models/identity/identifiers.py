"""Identifiers: which values tell who somebody is, in one spelling each: "namespace:value".

Namespaces: user_id, anonymous_id, email, phone; device_id, idfa, gaid, advertising_id; and any other name
for ids of other systems ("crm_id", "stripe.customer"). `customer_id` is reserved for Onefold's own ids: it
is understood in look-ups and refused in events.

Two values that mean the same get the same identifier. Values that mean nobody ("null", "0000") get none,
and neither do malformed ones: `IdentifierNormaliser.normalise` says why.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple
from unicodedata import category, normalize

import msgspec

from models.events.event import Identifier
from models.identity import customer_id
from models.identity.normalise_email import normalise_email
from models.identity.normalise_phone import is_region, normalise_phone

CUSTOMER_ID = "customer_id"  # reserved: look-ups only
VALUE_CHARS_MAX = 512
NAMESPACE_CHARS_MAX = 64

# What `Normalised.problem` can be, for people.
PROBLEMS = {
    "empty": "is empty",
    "wrong_type": "must be a string (or an integer)",
    "blocked": "is on the list of blocked values, which many people share; send a real one or leave it out",
    "too_long": f"is longer than {VALUE_CHARS_MAX} characters",
    "control_characters": "holds control or invisible characters",
    "invalid_email": "is not an e-mail address",
    "invalid_phone": "is not a telephone number of one subscriber; send it as E.164 (+ and country code), "
    "or set the region of numbers without a country code",
    "reserved_namespace": f"uses the namespace {CUSTOMER_ID}, which is reserved for Onefold's own ids; "
    "choose another, such as crm_customer_id",
    "invalid_namespace": f"has a type that cannot be a namespace: 1 to {NAMESPACE_CHARS_MAX} letters, digits, "
    "'_', '-' or '.', a letter or digit first",
}

_NAMESPACE = re.compile(rf"[a-z0-9][a-z0-9_.\-]{{0,{NAMESPACE_CHARS_MAX - 1}}}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ADVERTISING = frozenset({"idfa", "gaid", "advertising_id"})


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator can decide about identifiers. The defaults are those of the tracking API's peers."""

    # namespace -> most identifiers of it on one profile
    limits: dict[str, int] = msgspec.field(default_factory=lambda: {"user_id": 1})
    limit_default: int = 5  # for every other namespace
    priority: tuple[str, ...] = ("user_id", "email")  # highest first; the others follow in alphabetical order
    blocked_values: tuple[str, ...] = ("-1", "null", "anonymous")  # whatever their case
    blocked_patterns: tuple[str, ...] = ("^[0-]*$",)  # regular expressions, searched for
    trait_identifiers: dict[str, str] = msgspec.field(  # trait -> namespace
        default_factory=lambda: {"email": "email", "phone": "phone"}
    )
    # Collections of context.externalIds whose ids are those of groups, not of persons.
    group_collections: tuple[str, ...] = ("accounts", "companies", "groups", "households", "organizations")
    phone_region: str = "US"  # ISO 3166 code for numbers without a country code; "" refuses them
    phone_strict: bool = False  # only numbers in assigned ranges
    gmail_dots: bool = True  # j.doe@gmail.com is jdoe@gmail.com
    gmail_plus_tags: bool = True  # jdoe+news@gmail.com is jdoe@gmail.com

    def limit(self, namespace: str) -> int:
        """Most identifiers of `namespace` that one profile may have."""
        return self.limits.get(namespace, self.limit_default)

    def rank(self, identifier: Identifier) -> tuple[int, str]:
        """Sort key: the lower, the higher the identifier's priority."""
        namespace = identifier.partition(":")[0]
        priority = self.priority
        return (priority.index(namespace) if namespace in priority else len(priority), identifier)

    def sort(self, identifiers: Iterable[Identifier]) -> tuple[Identifier, ...]:
        """The distinct identifiers, highest priority first."""
        return tuple(sorted(set(identifiers), key=self.rank))


class Normalised(NamedTuple):
    """An identifier, or why there is none (a key of PROBLEMS)."""

    identifier: Identifier | None
    problem: str = ""


Normalise = Callable[[str, str], str | None]
"""Namespace and value to the normal form "namespace:value"; None if it has none."""


class InvalidKey(ValueError):
    """A look-up key that is no identifier. The message names what was expected, never the value."""


def namespace_of(identifier: Identifier) -> str:
    """The part before the first colon."""
    return identifier.partition(":")[0]


class IdentifierNormaliser:
    """Normalises identifiers under one set of settings. Holds bounded caches of e-mail and phone results.

    Raises ValueError, naming the setting, if the settings cannot be used.
    """

    def __init__(self, settings: IdentitySettings | None = None, cache_entries: int = 16_384) -> None:
        self.settings = settings = settings or IdentitySettings()
        check_settings(settings)
        self._blocked_values = frozenset(value.strip().casefold() for value in settings.blocked_values)
        patterns = [f"(?:{pattern})" for pattern in settings.blocked_patterns]
        self._blocked = re.compile("|".join(patterns) if patterns else r"(?!)")
        self._email = lru_cache(maxsize=cache_entries)(self._normalise_email)
        self._phone = lru_cache(maxsize=cache_entries)(self._normalise_phone)
        self._namespace = lru_cache(maxsize=1024)(canonical_namespace)

    def normalise(self, namespace: str, value: Any) -> Normalised:
        """The identifier that `value` makes in `namespace`: a string, or an integer taken as its digits."""
        canonical = self._namespace(namespace)
        if canonical is None:
            return Normalised(None, "invalid_namespace")
        if canonical == CUSTOMER_ID:
            return Normalised(None, "reserved_namespace")
        if type(value) is int:
            if abs(value) >= 1 << 64:
                return Normalised(None, "too_long")
            value = str(value)
        elif type(value) is not str:
            return Normalised(None, "wrong_type")
        if len(value) > VALUE_CHARS_MAX:  # before the caches, which bound the number of entries, not their size
            return Normalised(None, "too_long")
        if canonical == "email":
            return self._email(value)
        if canonical == "phone":
            return self._phone(value)
        return self._normalise_text(canonical, value)

    def normal_form(self, namespace: str, value: str) -> Identifier | None:
        """The identifier alone: a `Normalise`."""
        return self.normalise(namespace, value).identifier

    def parse_key(self, key: str) -> Identifier:
        """The identifier of a look-up key "namespace:value". Raises InvalidKey, with the way out.

        "customer_id:cus_..." is taken too, and a customer id alone ("cus_...").
        """
        namespace, colon, value = key.partition(":")
        if not colon:
            if not key.startswith(customer_id.PREFIX):
                raise InvalidKey("a key must be namespace:value, such as email:jane@example.com or user_id:42")
            namespace, value = CUSTOMER_ID, key
        if self._namespace(namespace) == CUSTOMER_ID:
            try:
                return f"{CUSTOMER_ID}:{customer_id.to_text(customer_id.from_text(value.strip().lower()))}"
            except ValueError as error:
                raise InvalidKey(f"the key's value is {error}") from None
        found, problem = self.normalise(namespace, value)
        if found is None:
            raise InvalidKey(f"the key's value {PROBLEMS[problem]}")
        return found

    def _normalise_text(self, namespace: str, value: str) -> Normalised:
        if not value.isascii():
            value = normalize("NFC", value)
        value = value.strip()
        problem = self._problem(value)
        if problem:
            return Normalised(None, problem)
        if namespace in _ADVERTISING:
            value = value.lower()
        return Normalised(f"{namespace}:{value}")

    def _normalise_email(self, value: str) -> Normalised:
        problem = self._problem(value.strip())
        if problem:
            return Normalised(None, problem)
        address = normalise_email(value, self.settings.gmail_dots, self.settings.gmail_plus_tags)
        if address is None:
            return Normalised(None, "invalid_email")
        return self._unless_blocked("email", address)

    def _normalise_phone(self, value: str) -> Normalised:
        problem = self._problem(value.strip())
        if problem:
            return Normalised(None, problem)
        number = normalise_phone(value, self.settings.phone_region, self.settings.phone_strict)
        if number is None:
            return Normalised(None, "invalid_phone")
        return self._unless_blocked("phone", number)

    def _unless_blocked(self, namespace: str, value: str) -> Normalised:
        if self._is_blocked(value):
            return Normalised(None, "blocked")
        return Normalised(f"{namespace}:{value}")

    def _is_blocked(self, value: str) -> bool:
        return value.casefold() in self._blocked_values or self._blocked.search(value) is not None

    def _problem(self, value: str) -> str:
        """What keeps a trimmed value from being an identifier in any namespace; "" for nothing."""
        if not value:
            return "empty"
        if len(value) > VALUE_CHARS_MAX:
            return "too_long"
        if not value.isprintable() and any(category(c) in _UNSEEN for c in value):
            return "control_characters"
        return "blocked" if self._is_blocked(value) else ""


def canonical_namespace(text: str) -> str | None:
    """A namespace's one spelling: trimmed, snake_case for camelCase ("userId" is "user_id"); None if impossible."""
    if len(text) > 2 * NAMESPACE_CHARS_MAX:
        return None
    name = _HUMP.sub("_", text.strip()).lower().replace(" ", "_")
    return name if _NAMESPACE.fullmatch(name) else None


def check_settings(settings: IdentitySettings) -> None:
    """Raises ValueError, naming the setting and what it expects, unless `settings` can be used."""
    for pattern in settings.blocked_patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"identity.blocked_patterns: {pattern!r} is not a regular expression: {error}") from None
    names = {
        "limits": settings.limits,
        "priority": settings.priority,
        "trait_identifiers": settings.trait_identifiers.values(),
    }
    for setting, namespaces in names.items():
        for name in namespaces:
            if canonical_namespace(name) != name or name == CUSTOMER_ID:
                raise ValueError(f"identity.{setting}: {name!r} is not a namespace (lower case, such as crm_id)")
    if min([settings.limit_default, *settings.limits.values()]) < 1:
        raise ValueError("identity.limits: a limit must be at least 1")
    if settings.phone_region and not is_region(settings.phone_region):
        raise ValueError(f"identity.phone_region: {settings.phone_region!r} is not an ISO 3166 code such as US or DE")
