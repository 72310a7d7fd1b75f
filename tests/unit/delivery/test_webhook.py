"""Webhooks: what is signed and how, when a message is tried again, and which definitions are refused."""

from typing import Any

import pytest

from models.delivery.addresses import is_public
from models.delivery.webhook import (
    FORMER_MAX,
    ROTATION_MS,
    FormerSecret,
    InvalidWebhook,
    RetryPolicy,
    Webhook,
    delay_ms,
    headers,
    make_secret,
    message_id,
    parse_webhook,
    payload,
    retry_after_s,
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


def test_while_a_secret_is_rotated_all_that_are_in_use_sign() -> None:
    first, second, third = make_secret(bytes(32)), make_secret(bytes(range(32))), make_secret(bytes(range(1, 33)))
    webhook = Webhook("w", "https://x.example", secret=first).rotated(second, 0).rotated(third, 1_000)
    assert webhook.secrets(2_000) == [third, second, first]
    assert webhook.secrets(ROTATION_MS) == [third, second]
    told = headers(webhook, "msg_1", b"{}", ROTATION_MS + 500)["webhook-signature"].split(" ")
    second_of_day = (ROTATION_MS + 500) // 1000
    assert told == [sign(secret, "msg_1", second_of_day, b"{}") for secret in (third, second)]
    assert webhook.secrets(ROTATION_MS + 1_000) == [third]


def test_no_secret_that_is_in_use_is_dropped() -> None:
    webhook = Webhook("w", "u", secret="whsec_0")
    for number in range(1, FORMER_MAX + 1):
        webhook = webhook.rotated(f"whsec_{number}", number)
    with pytest.raises(ValueError, match="still in use"):
        webhook.rotated("whsec_more", 100)
    later = webhook.rotated("whsec_more", ROTATION_MS + 1)
    assert later.former[-1] == FormerSecret("whsec_1", ROTATION_MS + 2)


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


NOW = 1_760_000_000_000  # 2025-10-09 08:53:20 UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("Thu, 09 Oct 2025 08:54:20 GMT", 60),
        ("Thu, 09 Oct 2025 08:53:00 GMT", 0),
        ("Fri, 10 Oct 2025 08:53:20 GMT", 3_600),
        ("9" * 40, 3_600),
        ("-5", 0),
        ("", 0),
        ("soon", 0),
        ("1.5", 0),
    ],
)
def test_what_a_receiver_asks_for(text: str, seconds: int) -> None:
    assert retry_after_s(text, NOW) == seconds


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),  # NAT64 of 93.184.216.34
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("198.18.0.1", False),
        ("203.0.113.5", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),  # 127.0.0.1, as it was once written
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("2002:7f00:1::", False),  # 6to4 of 127.0.0.1
        ("2001::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("2130706433", False),
        ("127.1", False),
        ("name", False),
    ],
)
def test_which_addresses_may_be_called(address: str, public: bool) -> None:
    assert is_public(address) == public


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example",
        "HTTP://X.example:8080/hook?a=1",
        "https://hooks_1.x.example./a",
        "https://m\u00fcnchen.example/a",
        "http://127.0.0.1:9000/hook",
        "http://[::1]/hook",
    ],
)
def test_addresses_that_can_be_used(url: str) -> None:
    assert parse_webhook({"id": "w", "url": url})["url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example",
        "x.example/hook",
        "https:///hook",
        "https://x.example:99999",
        "https://x.example:0",
        "https://user:secret@x.example",
        "https://@x.example",
        "https://x.example\\@y.example",
        "https://x example/",
        "https://x.example/a\nb",
        "https://x.example/\x01",
        "https://x..example/",
        "https://-x.example/",
        "http://2130706433/",
        "http://127.1/",
        "http://[::1/",
        "https://x.example/" + "a" * 2_000,
    ],
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(InvalidWebhook) as caught:
        parse_webhook({"id": "w", "url": url})
    assert [found for found, _ in caught.value.problems] == ["url"]
    assert "secret" not in str(caught.value)


def test_only_a_new_one_begins_somewhere() -> None:
    asked = {"id": "w", "url": "https://x.example", "from_start": True}
    assert "from_start" not in parse_webhook(asked)
    with pytest.raises(InvalidWebhook, match="from_start"):
        parse_webhook(asked, is_new=False)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
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
