"""What each of the shop's eight systems tells of one person: messages of the tracking API, with its own ids.

Web and app know anonymous ids, and the user id after a login. The till knows loyalty cards, the e-mail tool
addresses, the support desk whatever the customer writes, the CRM its own contact ids, ad networks the phone's
advertising id. Some of what they know is mistyped, out of date or missing.
"""

import random
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.demo_noise import email_as_typed, first_name_as_typed, name_as_typed, phone_as_typed
from pipelines.demo_people import Person
from pipelines.demo_words import BROWSERS, CAMPAIGNS, CATALOGUE, TICKET_SUBJECTS
from pipelines.import_types import to_iso

Touchpoint = Literal["web", "app", "pos", "email", "support", "crm", "loyalty", "ads"]
TOUCHPOINTS: tuple[Touchpoint, ...] = ("web", "app", "pos", "email", "support", "crm", "loyalty", "ads")
_CHANNELS = {"web": "web", "app": "mobile", "pos": "store", "email": "email", "support": "support", "ads": "ads"}
CURRENCY = "EUR"
SITE = "https://shop.example"
_DAY_MS = 86_400_000
_HISTORY_DAYS = 180
_MINUTE_MS = 60_000
_LATE_SHARE = 0.02
_LATE_MS_MAX = 3 * _DAY_MS


@dataclass(frozen=True)
class Said:
    """One message as its system sends it, and when it arrives."""

    touchpoint: Touchpoint
    arrival: int  # ms
    message: dict[str, Any]


class Journey:
    """Everything that happens between one person and the shop in the half year before `now` (ms)."""

    def __init__(self, person: Person, seed: int, now: int) -> None:
        self.person, self.now = person, now
        self.rng = random.Random(f"onefold demo journey {seed} {person.number}")  # nosec B311
        self.said: list[Said] = []
        self.met = now - int(self.rng.random() ** 0.7 * _HISTORY_DAYS * _DAY_MS) - _DAY_MS

    def all(self) -> list[Said]:
        """Every message of the person, in no particular order."""
        person, rng = self.person, self.rng
        if person.loyalty_card:
            self.loyalty()
            for _ in range(1 + _count(rng, 1.4)):
                self.till()
        for browser in person.browsers:
            self.browser(browser, logs_in=bool(person.user_id) and rng.random() < 0.9)
        if person.household.shared_browser and person.habit != "store" and rng.random() < 0.7:
            self.browser(person.household.shared_browser, logs_in=bool(person.user_id) and rng.random() < 0.6)
        for installation in person.apps:
            self.app(installation)
        if person.habit != "visitor" and rng.random() < 0.75:
            self.mailings()
        if person.crm_id:
            self.crm()
        if person.habit != "visitor" and rng.random() < 0.22:
            self.ticket()
        if person.advertising_id:
            self.advertisements()
        if not self.said:
            self.ticket()
        return self.said

    # The eight systems

    def browser(self, anonymous_id: str, logs_in: bool) -> None:
        """One browser: visits, a registration or log-in if `logs_in`, orders after it."""
        rng, name = self.rng, self.rng.choice(BROWSERS)
        start = self.moment()
        login_visit = rng.randrange(2) if logs_in else -1
        logged_in = False
        for visit in range(max(1 + _count(rng, 0.4), login_visit + 1)):
            time = min(start + int(visit * rng.uniform(0.5, 20) * _DAY_MS), self.now - 30 * _MINUTE_MS)
            context: dict[str, Any] = {"userAgentData": {"brands": [{"brand": name}]}, "locale": self.locale()}
            if visit == 0 and rng.random() < 0.4:
                context["campaign"] = {"name": rng.choice(CAMPAIGNS), "source": "search", "medium": "cpc"}
            ids: dict[str, Any] = {"anonymousId": anonymous_id}
            if logged_in:
                ids["userId"] = self.person.user_id
            self.page(time, ids, context, "Home", "/")
            if visit == 0 and rng.random() < 0.5:
                self.consent("web", time + 5000, ids)
            product = rng.choice(CATALOGUE)
            time = self.look_at("web", time, ids, context, product)
            if visit == login_visit:
                logged_in = True
                ids["userId"] = self.person.user_id
                time += _MINUTE_MS
                self.say("web", time, {"type": "identify", **ids, "traits": self.account_traits(), "context": context})
            if rng.random() < (0.45 if logged_in else 0.02):
                self.order("web", time + 4 * _MINUTE_MS, ids, context, product)

    def app(self, installation: str) -> None:
        """One installation of the mobile app."""
        rng, person = self.rng, self.person
        maker, model, system = person.phone
        device: dict[str, Any] = {"manufacturer": maker, "model": model, "type": system}
        if person.advertising_id:
            device["advertisingId"] = person.advertising_id
            device["adTrackingEnabled"] = rng.random() < 0.6
        context = {"device": device, "app": {"name": "Shop", "version": f"3.{rng.randrange(6)}"}}
        ids: dict[str, Any] = {"anonymousId": installation}
        time = self.moment()
        self.track("app", time, ids, "Application Installed", {"version": context["app"]["version"]}, context)
        if rng.random() < 0.9:
            ids["userId"] = person.user_id
            traits = {} if rng.random() < 0.5 else {"email": person.email}
            identify = {"type": "identify", **ids, "traits": traits, "context": context}
            self.say("app", time + _MINUTE_MS, identify)
        for _ in range(1 + _count(rng, 0.7)):
            time = min(time + int(rng.expovariate(1 / 9) * _DAY_MS), self.now - 20 * _MINUTE_MS)
            self.say("app", time, {"type": "screen", **ids, "name": "Start", "context": context})
            product = rng.choice(CATALOGUE)
            self.look_at("app", time, ids, context, product)
            if "userId" in ids and rng.random() < 0.25:
                self.order("app", time + 5 * _MINUTE_MS, ids, context, product)

    def till(self) -> None:
        """A purchase in a store: by card, and now and then with an address for the receipt."""
        rng, person = self.rng, self.person
        external = {"loyalty_card": person.loyalty_card}
        if rng.random() < 0.1:
            external["email"] = email_as_typed(rng, person.email, typo_share=0.06)
        context = {"externalIds": _external(external), "location": {"city": person.household.city}}
        self.order("pos", self.moment(), {}, context, rng.choice(CATALOGUE))

    def mailings(self) -> None:
        """The e-mail tool: one address, its deliveries, openings and clicks."""
        rng = self.rng
        email = self.known_email(typo_share=0.01)
        context = {"externalIds": _external({"email": email})}
        eager = rng.betavariate(1.2, 2.5)
        time = self.moment()
        for _ in range(1 + _count(rng, 0.8)):
            campaign = {"campaign_name": rng.choice(CAMPAIGNS)}
            if time > self.now - 3 * 60 * _MINUTE_MS:
                break
            self.track("email", time, {}, "Email Delivered", campaign, context)
            if rng.random() < eager:
                opened = time + int(rng.expovariate(1 / 60) * _MINUTE_MS)
                self.track("email", opened, {}, "Email Opened", campaign, context)
                if rng.random() < eager:
                    self.track("email", opened + _MINUTE_MS, {}, "Email Link Clicked", campaign, context)
            time += int(rng.uniform(3, 14) * _DAY_MS)
        if rng.random() < 0.04:
            self.track("email", self.moment(), {}, "Email Unsubscribed", {}, context)

    def crm(self) -> None:
        """A contact in the CRM, typed in by a clerk: names, address, and an e-mail or a phone or both."""
        rng, person = self.rng, self.person
        external = {"crm_id": person.crm_id}
        traits: dict[str, Any] = {
            "firstName": first_name_as_typed(rng, person.first_name, 0.16),
            "lastName": name_as_typed(rng, person.last_name, 0.1),
        }
        has_email = rng.random() < 0.82
        if has_email:
            traits["email"] = self.known_email(typo_share=0.03)
        if not has_email or rng.random() < 0.5:
            traits["phone"] = self.known_phone(landline_share=0.12)
        if rng.random() < 0.7:
            traits["address"] = self.address(0.08)
        if rng.random() < 0.4:
            traits["birthday"] = person.birthday.isoformat()
        message: dict[str, Any] = {"type": "identify", "traits": traits}
        if person.user_id and rng.random() < 0.3:
            message["userId"] = person.user_id
        self.say("crm", self.moment(), {**message, "context": {"externalIds": _external(external)}})

    def loyalty(self) -> None:
        """The loyalty programme: a form filled in at the till, and points."""
        rng, person = self.rng, self.person
        traits: dict[str, Any] = {
            "firstName": first_name_as_typed(rng, person.first_name, 0.08),
            "lastName": name_as_typed(rng, person.last_name, 0.08),
            "loyaltyTier": rng.choices(("basic", "silver", "gold"), (70, 22, 8))[0],
        }
        if rng.random() < 0.88:
            traits["email"] = self.known_email(typo_share=0.03)
        if rng.random() < 0.35:
            traits["phone"] = self.known_phone(landline_share=0.05)
        context = {"externalIds": _external({"loyalty_card": person.loyalty_card})}
        self.say("loyalty", self.met, {"type": "identify", "traits": traits, "context": context})
        points = {"points": rng.randrange(10, 300)}
        self.track("loyalty", self.met + _DAY_MS // 2, {}, "Loyalty Points Earned", points, context)

    def ticket(self) -> None:
        """A case at the support desk, by e-mail or by phone. The desk files whoever writes under an id of its own."""
        rng = self.rng
        external = {"support_contact": f"C{rng.randrange(10**9):09d}"}
        if rng.random() < 0.7:
            external["email"] = self.known_email(typo_share=0.03)
        else:
            external["phone"] = self.known_phone(landline_share=0.1)
        context = {"externalIds": _external(external)}
        properties = {"ticket_id": f"T{rng.randrange(10**7):07d}", "subject": rng.choice(TICKET_SUBJECTS)}
        time = self.moment()
        self.track("support", time, {}, "Support Ticket Opened", properties, context)
        if rng.random() < 0.8:
            resolved = time + rng.randrange(1, 72) * 60 * _MINUTE_MS
            self.track("support", resolved, {}, "Support Ticket Resolved", properties, context)

    def advertisements(self) -> None:
        """Ad networks: impressions by advertising id; a click carries the anonymous id of the page it leads to."""
        rng, person = self.rng, self.person
        device = {"type": "android", "advertisingId": person.advertising_id}
        context = {
            "device": device,
            "campaign": {"name": rng.choice(CAMPAIGNS), "source": "adnet", "medium": "display"},
        }
        for _ in range(1 + _count(rng, 0.5)):
            time = self.moment()
            self.track("ads", time, {}, "Ad Impression", {}, context)
            if person.browsers and rng.random() < 0.5:
                ids = {"anonymousId": rng.choice(person.browsers)}
                self.track("ads", time + 8000, ids, "Ad Clicked", {}, context)

    # What they have in common

    def order(
        self, touchpoint: Touchpoint, time: int, ids: dict[str, Any], context: dict[str, Any], product: tuple[Any, ...]
    ) -> None:
        rng = self.rng
        lines = {product[0]: product, **{p[0]: p for p in rng.choices(CATALOGUE, k=_count(rng, 0.6))}}
        products = [
            {
                "product_id": key,
                "name": name,
                "category": category,
                "price": price,
                "quantity": 1 + (rng.random() < 0.12),
            }
            for key, name, category, price in lines.values()
        ]
        revenue = round(sum(p["price"] * p["quantity"] for p in products) * rng.choice((1, 1, 1, 0.9)), 2)
        properties = {
            "order_id": f"{touchpoint[0].upper()}{rng.getrandbits(40):010x}",
            "revenue": revenue,
            "total": revenue,
            "currency": CURRENCY,
            "products": products,
        }
        self.track(touchpoint, time, ids, "Order Completed", properties, context)
        if rng.random() < 0.06:
            back = {key: properties[key] for key in ("order_id", "currency")}
            back |= {"total": products[0]["price"], "products": products[:1]}
            refunded = min(time + rng.randrange(2, 20) * _DAY_MS, self.now - _MINUTE_MS)
            self.track(touchpoint, refunded, ids, "Order Refunded", back, context)

    def look_at(
        self, touchpoint: Touchpoint, time: int, ids: dict[str, Any], context: dict[str, Any], product: tuple[Any, ...]
    ) -> int:
        key, name, category, price = product
        properties = {"product_id": key, "name": name, "category": category, "price": price, "currency": CURRENCY}
        time += self.rng.randrange(20_000, 180_000)
        self.track(touchpoint, time, ids, "Product Viewed", properties, context)
        if self.rng.random() < 0.2:
            time += 40_000
            self.track(touchpoint, time, ids, "Product Added", {**properties, "quantity": 1}, context)
        return time

    def page(self, time: int, ids: dict[str, Any], context: dict[str, Any], name: str, path: str) -> None:
        page = {"path": path, "url": SITE + path, "title": name}
        context = {**context, "page": page}
        self.say("web", time, {"type": "page", **ids, "name": name, "properties": page, "context": context})

    def consent(self, touchpoint: Touchpoint, time: int, ids: dict[str, Any]) -> None:
        rng = self.rng
        choices = {"Analytics": rng.random() < 0.75, "Advertising": rng.random() < 0.45, "Email": rng.random() < 0.6}
        context = {"consent": {"categoryPreferences": choices}}
        self.track(touchpoint, time, ids, "Segment Consent Preference Updated", {}, context)

    def account_traits(self) -> dict[str, Any]:
        """What the person typed when opening the account."""
        rng, person = self.rng, self.person
        traits: dict[str, Any] = {
            "email": email_as_typed(rng, person.email, typo_share=0.005),
            "firstName": first_name_as_typed(rng, person.first_name, 0.1),
            "lastName": name_as_typed(rng, person.last_name, 0.06),
            "address": {"country": person.household.country.code},
        }
        if rng.random() < 0.35:
            traits["phone"] = self.known_phone(landline_share=0.03)
        if rng.random() < 0.5:
            traits["address"] = self.address(0.04)
        if rng.random() < 0.25:
            traits["birthday"] = person.birthday.isoformat()
        return traits

    def address(self, noise: float) -> dict[str, Any]:
        household = self.person.household
        return {
            "street": name_as_typed(self.rng, household.street, noise),
            "city": name_as_typed(self.rng, household.city, noise),
            "postalCode": household.postcode,
            "country": household.country.code,
        }

    def known_email(self, typo_share: float) -> str:
        """An address as some system knows it: perhaps one that was given up, perhaps mistyped."""
        emails = self.person.emails
        email = emails[0] if self.rng.random() < 0.5 else emails[-1]
        return email_as_typed(self.rng, email, typo_share)

    def known_phone(self, landline_share: float) -> str:
        """A number as some system knows it: perhaps the household's, perhaps the old one, in any spelling."""
        country, rng = self.person.household.country, self.rng
        national = self.person.phones[0] if rng.random() < 0.5 else self.person.phones[-1]
        if self.person.household.landline and rng.random() < landline_share:
            national = self.person.household.landline
        return phone_as_typed(rng, country.calling_code, country.trunk, national)

    def locale(self) -> str:
        code = self.person.household.country.code
        return {"US": "en-US", "GB": "en-GB"}.get(code, f"{code.lower()}-{code}")

    def moment(self) -> int:
        """A time after the person first met the shop; more of them are recent."""
        return self.now - _MINUTE_MS * 30 - int((self.now - self.met - _DAY_MS // 2) * self.rng.random() ** 1.2)

    def track(
        self,
        touchpoint: Touchpoint,
        time: int,
        ids: dict[str, Any],
        event: str,
        properties: dict[str, Any],
        context: dict[str, Any],
    ) -> None:
        self.say(
            touchpoint, time, {"type": "track", **ids, "event": event, "properties": properties, "context": context}
        )

    def say(self, touchpoint: Touchpoint, time: int, message: dict[str, Any]) -> None:
        rng = self.rng
        time = min(time, self.now - _MINUTE_MS)
        arrival = time + rng.randrange(100, 5000)
        if rng.random() < _LATE_SHARE:
            arrival = min(arrival + rng.randrange(60 * _MINUTE_MS, _LATE_MS_MAX), self.now)
        message = {**message, "messageId": f"{touchpoint}-{rng.getrandbits(64):016x}", "timestamp": to_iso(time)}
        if touchpoint in _CHANNELS:
            message["context"] = {**message.get("context", {}), "channel": _CHANNELS[touchpoint]}
        self.said.append(Said(touchpoint, arrival, message))


def _external(ids: dict[str, str]) -> list[dict[str, str]]:
    return [{"id": value, "type": name, "collection": "users", "encoding": "none"} for name, value in ids.items()]


def _count(rng: random.Random, mean: float) -> int:
    """A count with that mean and a long tail."""
    return int(rng.expovariate(1 / mean) + 0.5) if mean > 0 else 0
