"""From consent signals to decisions: which named purposes they grant and which they deny.

Signals speak of purposes and opt-outs of their own; a mapping by the caller says which of Onefold's purposes those
are. Nothing is granted but what a signal grants in so many words. A signal that cannot be decoded has no decisions:
the caller must take InvalidSignal for a denial.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import msgspec

from models.privacy.gpp import Choice, GppSignals, UsSection
from models.privacy.tcf import TcfConsent

Basis = Literal["consent", "legitimate_interest", "opt_out"]

# Purposes that no vendor may base on legitimate interest: the first never, some since TCF 2.2 (policy version 4).
_CONSENT_ONLY = frozenset({1})
_CONSENT_ONLY_SINCE_POLICY_4 = frozenset({1, 3, 4, 5, 6})


class Decision(msgspec.Struct, frozen=True):
    """Whether a person's data may be used for a purpose, and on what that rests."""

    purpose: str
    granted: bool
    basis: Basis


def purposes_of(
    signal: TcfConsent | GppSignals, mapping: Mapping[int, str], sale_purposes: Collection[str]
) -> list[Decision]:
    """One decision for each purpose that `signal` speaks of, by its TC string (`from_tcf`) and US sections
    (`from_gpp`); if these contradict each other, denied.
    """
    if isinstance(signal, TcfConsent):
        return from_tcf(signal, mapping)
    decisions = from_gpp(signal, sale_purposes)
    for section in signal.sections.values():
        if isinstance(section, TcfConsent):
            decisions += from_tcf(section, mapping)
    return _most_restrictive(decisions)


def from_tcf(consent: TcfConsent, mapping: Mapping[int, str]) -> list[Decision]:
    """A decision for each purpose in `mapping` (number of the TCF purpose to purpose), by what vendors are granted.

    Denied, on the basis of consent, if the string does not grant it; if several TCF purposes make up one purpose, all
    of them must be granted. Which vendors may use them, and what publishers restrict, is not looked at.
    """
    consent_only = _CONSENT_ONLY if consent.tcf_policy_version < 4 else _CONSENT_ONLY_SINCE_POLICY_4
    legitimate = consent.purposes_legitimate_interest - consent_only
    decisions = []
    for number, purpose in mapping.items():
        agreed = number in consent.purposes_consent
        granted = agreed or number in legitimate
        decisions.append(Decision(purpose, granted, "legitimate_interest" if granted and not agreed else "consent"))
    return _most_restrictive(decisions)


def from_gpp(signals: GppSignals, sale_purposes: Collection[str]) -> list[Decision]:
    """Denials of `sale_purposes`, if any US section has an opt-out of sale, sharing or targeted advertising, a child
    without the consent that takes, or Global Privacy Control. Without any of these, nothing is said: no decision.
    """
    if not any(isinstance(section, UsSection) and _opts_out(section) for section in signals.sections.values()):
        return []
    return [Decision(purpose, False, "opt_out") for purpose in dict.fromkeys(sale_purposes)]


def from_gpc(header_value: str) -> bool:
    """Whether the value of the request header Sec-GPC is an opt-out of sale and sharing: "1" is, all else is not."""
    return header_value == "1"


def from_categories(preferences: Mapping[str, object]) -> list[Decision]:
    """A decision for each entry of `context.consent.categoryPreferences`: true grants, anything else denies."""
    return [Decision(category, answer is True, "consent") for category, answer in preferences.items()]


def _opts_out(section: UsSection) -> bool:
    choices = (section.sale, section.sharing, section.targeted_advertising, section.known_child)
    return Choice.REFUSED in choices or section.gpc is True


def _most_restrictive(decisions: Iterable[Decision]) -> list[Decision]:
    """One decision for each purpose, in order of first mention: denied if anything denies it, and on legitimate
    interest if anything that makes it up rests on that.
    """
    found: dict[str, Decision] = {}
    for decision in decisions:
        held = found.setdefault(decision.purpose, decision)
        if held.granted and (not decision.granted or decision.basis == "legitimate_interest"):
            found[decision.purpose] = decision
    return list(found.values())
