"""Webhooks: what is signed and how, when a message is tried again, and which definitions are refused."""

from typing import Any

import pytest

from models.delivery.webhook import (
    InvalidWebhook,
    RetryPolicy,
    Webhook,
    delay_ms,
    headers,
    make_secret,
    message_id,
    parse_webhook,
    payload,
    sign,
    verdict,
)
from models.identity.customer_id import mint
from models.shard.protocol import SegmentChange

CHANGE = SegmentChange(mint(0, 1_760_000_000_000, 3), "vip", "entered", 1_760_000_000_000, "m1", 42)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of standardwebhooks.com's reference libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_rotated_both_sign() -> None:
    new, old = make_secret(bytes(32)), make_secret(bytes(range(32)))
    webhook = Webhook("w", "https://x.example", secret=new, former_secret=old, former_until=2_000)
    told = headers(webhook, "msg_1", b"{}", 1_000)["webhook-signature"].split(" ")
    assert told == [sign(new, "msg_1", 1, b"{}"), sign(old, "msg_1", 1, b"{}")]
    assert len(headers(webhook, "msg_1", b"{}", 2_000)["webhook-signature"].split(" ")) == 1


def test_a_message_has_the_id_of_its_change() -> None:
    assert message_id(CHANGE) == "msg_3_42"
    assert b'"type":"segment.entered"' in payload(CHANGE, "2025-10-09T08:53:20.000Z")


def test_who_is_told() -> None:
    assert Webhook("w", "u").wants(CHANGE)
    assert not Webhook("w", "u", changes=["exited"]).wants(CHANGE)
    assert not Webhook("w", "u", segments=["other"]).wants(CHANGE)
    held_out = SegmentChange(CHANGE.customer_id, "vip", "entered", 0, "m", 1, held_out=True)
    assert not Webhook("w", "u").wants(held_out)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ((200, 204), "delivered"),
        ((302, 400, 401, 404), "dead"),
        ((0, 408, 409, 425, 429, 500, 503), "retry"),
        ((410,), "gone"),
    ],
)
def test_what_an_answer_means(status: tuple[int, ...], expected: str) -> None:
    assert {verdict(each) for each in status} == {expected}


def test_delays_grow_are_spread_and_end() -> None:
    policy = RetryPolicy(delays_s=(1, 10))
    first = [delay_ms(policy, 1, f"msg_{n}") or 0 for n in range(50)]
    assert all(1_000 <= delay < 1_200 for delay in first)
    assert len(set(first)) > 10
    assert delay_ms(policy, 1, "msg_1") == first[1]
    assert 10_000 <= (delay_ms(policy, 2, "m") or 0) < 12_000
    assert delay_ms(policy, 3, "m") is None
    assert delay_ms(policy, 1, "m", retry_after_s=60) == 60_000
    assert delay_ms(policy, 1, "m", retry_after_s=10**6) == 3_600_000


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"url": "ftp://x.example"}, "url"),
        ({"url": "https://user:secret@x.example"}, "url"),
        ({"url": "https://x.example:99999"}, "url"),
        ({"url": 7}, "url"),
        ({"id": "A B"}, "id"),
        ({"segments": "vip"}, "segments"),
        ({"changes": []}, "changes"),
        ({"changes": ["left"]}, "changes"),
        ({"enabled": "yes"}, "enabled"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_refused_is_named(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidWebhook) as caught:
        parse_webhook({"id": "w", "url": "https://x.example/hook", **wrong})
    assert [found for found, _ in caught.value.problems] == [field]
    assert "secret" not in str(caught.value)
