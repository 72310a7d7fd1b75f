"""The demo's data: the same seed gives the same bytes, the truth stays out, every message is one the API takes."""

import random
from collections import Counter

import msgspec
import pytest

from models.events.wire import Source, WireParser
from models.segments.parse import parse_definition
from pipelines.batch_client import BatchAnswer, Send
from pipelines.demo_noise import email_as_typed, first_name_as_typed, name_as_typed, phone_as_typed, typo
from pipelines.demo_people import make_people
from pipelines.demo_run import SEGMENTS, _showpiece, _work
from pipelines.demo_shop import DemoMessage, generate
from pipelines.demo_touchpoints import TOUCHPOINTS
from pipelines.demo_words import CATALOGUE, COUNTRIES

NOW = 1_790_000_000_000
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def shop() -> list[DemoMessage]:
    return generate(7, 400, NOW)


def test_same_seed_same_bytes(shop: list[DemoMessage]) -> None:
    assert generate(7, 400, NOW) == shop
    assert [m.body for m in generate(8, 400, NOW)] != [m.body for m in shop]


def test_shape(shop: list[DemoMessage]) -> None:
    assert {message.person for message in shop} == set(range(400))
    assert {message.touchpoint for message in shop} == set(TOUCHPOINTS)
    assert 10 <= len(shop) / 400 <= 20
    assert [message.arrival for message in shop] == sorted(message.arrival for message in shop)
    assert all(NOW - 182 * DAY_MS < message.arrival <= NOW + 120_000 for message in shop)


def test_some_come_twice_and_some_late(shop: list[DemoMessage]) -> None:
    copies = Counter(message.message_id for message in shop)
    assert 0.005 < sum(count > 1 for count in copies.values()) / len(copies) < 0.03
    by_time = sorted(shop, key=lambda m: msgspec.json.decode(m.body)["timestamp"])
    assert [m.message_id for m in by_time] != [m.message_id for m in shop]


def test_every_message_is_taken(shop: list[DemoMessage]) -> None:
    parser = WireParser()
    for message in shop:
        if message.touchpoint in ("web", "app"):
            body = b'{"batch":[' + message.body + b"]}"
            parsed = parser.parse(body, "batch", Source("demo"), NOW, lambda: "new")
        else:
            parsed = parser.parse_items([message.body], Source("demo"), NOW, lambda: "new")
        assert parsed.rejected == []
        assert parsed.events[0].message_id == message.message_id
        assert parsed.events[0].timestamp <= NOW


def test_truth_is_not_sent(shop: list[DemoMessage]) -> None:
    people = make_people(7, 400)
    for message in shop:
        assert b'"person"' not in message.body
        assert f'"{message.person}"'.encode() not in message.body
    assert len({person.user_id for person in people if person.user_id}) > 200


def test_people_are_plausible() -> None:
    people = make_people(1, 2000)
    assert len(people) == 2000
    assert {person.household.country.code for person in people} == {country.code for country in COUNTRIES}
    assert len({email for person in people for email in person.emails}) == sum(len(p.emails) for p in people)
    assert all(email.isascii() and email.endswith(".example") for person in people for email in person.emails)
    shared = Counter(person.household.number for person in people)
    assert 0.2 < sum(count > 1 for count in shared.values()) / len(shared) < 0.5
    visitors = [person for person in people if person.habit == "visitor"]
    assert visitors
    assert not any(person.user_id or person.loyalty_card or person.crm_id for person in visitors)


def test_noise_keeps_what_it_should() -> None:
    rng = random.Random(1)
    for _ in range(300):
        assert email_as_typed(rng, "ann.lee@mail.example", 0).strip().lower() == "ann.lee@mail.example"
        wrong = email_as_typed(rng, "ann.lee@mail.example", 1)
        assert wrong.endswith("@mail.example")
        digits = "".join(c for c in phone_as_typed(rng, "49", "0", "17012345678") if c.isdigit())
        assert digits.endswith("17012345678")
        assert first_name_as_typed(rng, "William", 0) == "William"
        assert len(name_as_typed(rng, "Müller", 1)) >= 5
    assert typo(rng, "Al") == "Al"
    spellings = {first_name_as_typed(rng, "William", 1) for _ in range(200)}
    assert {"Bill", "Will", "W."} <= spellings


def test_catalogue_is_sound() -> None:
    assert len({product[0] for product in CATALOGUE}) == len(CATALOGUE) == 48
    assert all(price > 0 for *_, price in CATALOGUE)


def test_batches_keep_every_message_and_the_systems_apart(shop: list[DemoMessage]) -> None:
    def sender() -> Send:
        return lambda messages: BatchAnswer("", 0, [], [])

    senders = {name: sender() for name in TOUCHPOINTS}
    sent = list(_work(shop, senders))
    assert sum(len(batch.messages) for _, batch in sent) == len(shop)
    for name in TOUCHPOINTS:
        bodies = [body for send, batch in sent if send is senders[name] for body in batch.messages]
        assert bodies == [message.body for message in shop if message.touchpoint == name]


def test_showpiece_is_known_to_most_systems(shop: list[DemoMessage]) -> None:
    key = _showpiece(shop)
    person = next(p for p in make_people(7, 400) if f"user_id:{p.user_id}" == key)
    assert len({message.touchpoint for message in shop if message.person == person.number}) >= 6


def test_segments_are_in_the_language() -> None:
    assert [parse_definition(segment).id for segment in SEGMENTS] == [segment["id"] for segment in SEGMENTS]
