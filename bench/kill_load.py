"""The load of the kill test, and what must be there afterwards: writers that note every acknowledgement, and an oracle.

Each writer sends a batch again and again until it is acknowledged, and never after. So an event that was acknowledged
and is then missing was lost, one that counts twice was doubled, and the repetitions put the deduplication to the test.
"""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipelines.batch_client import ApiClient, ApiError

PEOPLE = 150
_BATCH_MAX = 20
_EVENTS = ("Product Viewed", "Cart Viewed", "Clicked")
_DEVICES = 3


@dataclass
class Person:
    """What the service must know of a person in the end."""

    counts: Counter[str] = field(default_factory=Counter)  # event name -> times
    orders: int = 0
    revenue_cents: int = 0


class Oracle:
    """Everything that was acknowledged. Safe to use from several threads."""

    def __init__(self) -> None:
        self.people = [Person() for _ in range(PEOPLE)]
        self.message_ids: set[str] = set()
        self._lock = threading.Lock()

    def acknowledge(self, messages: list[dict[str, Any]]) -> None:
        """Notes a batch that the service has taken."""
        with self._lock:
            for message in messages:
                self.message_ids.add(message["messageId"])
                person = self.people[_person_of(message)]
                if message["type"] == "track":
                    person.counts[message["event"]] += 1
                if message.get("event") == "Order Completed":
                    person.orders += 1
                    person.revenue_cents += int(message["properties"]["revenue"].replace(".", ""))


class Writer(threading.Thread):
    """Sends until it is told to stop, and finishes the batch that it is at."""

    def __init__(self, number: int, seed: int, client: ApiClient, oracle: Oracle, stop: threading.Event) -> None:
        super().__init__(name=f"writer-{number}", daemon=True)
        self._number = number
        self._random = random.Random(seed * 1000 + number)
        self._client = client
        self._oracle = oracle
        self._stop_asked = stop
        self.repetitions = 0
        self.foreign: Counter[int] = Counter()  # statuses of answers that were not the service's own
        self.refusal: ApiError | None = None

    def run(self) -> None:
        sent = 0
        while not self._stop_asked.is_set():
            messages = [self._message(sent + i) for i in range(self._random.randint(1, _BATCH_MAX))]
            sent += len(messages)
            if not self._deliver(messages):
                return
            time.sleep(self._random.random() * 0.02)

    def _deliver(self, messages: list[dict[str, Any]]) -> bool:
        while True:
            try:
                self._client.post("/v1/batch", {"batch": messages})
            except ApiError as error:
                if error.code.startswith("http_"):
                    self.foreign[error.status] += 1  # not the service's answer: a proxy's, which knows no service yet
                elif error.status not in (0, 503):
                    self.refusal = error  # an answer that must never be given to these messages
                    return False
                self.repetitions += 1
                continue
            self._oracle.acknowledge(messages)
            return True

    def _message(self, index: int) -> dict[str, Any]:
        choice = self._random.random()
        person = self._random.randrange(PEOPLE)
        message: dict[str, Any] = {"messageId": f"w{self._number}-{index}"}
        device = f"d{person}-{self._random.randrange(_DEVICES)}"
        if choice < 0.15:
            return message | {"type": "identify", "userId": f"p{person}", "anonymousId": device}
        if choice < 0.3:
            cents = self._random.randint(100, 99_999)
            properties = {"order_id": message["messageId"], "revenue": f"{cents // 100}.{cents % 100:02}"}
            return message | {
                "type": "track",
                "event": "Order Completed",
                "userId": f"p{person}",
                "properties": properties,
            }
        return message | {"type": "track", "event": self._random.choice(_EVENTS), "anonymousId": device}


def last_word() -> list[dict[str, Any]]:
    """One identify for each device of each person: after these, every event has found its person."""
    return [
        {
            "type": "identify",
            "messageId": f"last-{person}-{device}",
            "userId": f"p{person}",
            "anonymousId": f"d{person}-{device}",
        }
        for person in range(PEOPLE)
        for device in range(_DEVICES)
    ]


def differences(client: ApiClient, oracle: Oracle, min_seq: str) -> list[str]:
    """What is not as it must be, in words; empty if all is well."""
    wrong: list[str] = []
    client.get(f"/v1/profiles/user_id:p0?min_seq={min_seq}")  # waits until all has been applied
    stored = Counter(_stored_message_ids(client))
    missing = oracle.message_ids - stored.keys()
    doubled = [message_id for message_id, times in stored.items() if times > 1]
    unknown = stored.keys() - oracle.message_ids
    for name, ids in (("lost", missing), ("stored twice", doubled), ("never acknowledged", unknown)):
        if ids:
            wrong.append(f"{len(ids)} events {name}, such as {sorted(ids)[:3]}")
    for number, person in enumerate(oracle.people):
        profile = client.get(f"/v1/profiles/user_id:p{number}?min_seq={min_seq}")
        found = _of_profile(profile)
        if found != person:
            wrong.append(f"person {number}: expected {person}, found {found}")
        for device in range(_DEVICES):
            same = client.get(f"/v1/profiles/anonymous_id:d{number}-{device}")
            if same["customer_id"] != profile["customer_id"]:
                wrong.append(f"person {number}: device {device} leads to another profile")
    return wrong


def _of_profile(profile: dict[str, Any]) -> Person:
    transactions = profile["transactions"]
    return Person(
        Counter({name: behavior["count"] for name, behavior in profile["behaviors"].items()}),
        transactions["orders"],
        round(float(transactions["revenue"]) * 100),
    )


def _stored_message_ids(client: ApiClient) -> list[str]:
    """Message ids of every stored event, from the shards' logs, as often as they are there."""
    found: list[str] = []
    after = ",".join(f"{shard['shard']}:0" for shard in client.get("/v1/status")["shards"])
    while True:
        page = client.get(f"/v1/events?after={after}&limit=1000")
        found += [event["message_id"] for event in page["data"]]
        after = page["cursor"]["next"]
        if not page["data"]:
            return found


def _person_of(message: dict[str, Any]) -> int:
    """The person's number: "p12" and "d12-0" are number 12's."""
    return int((message.get("userId") or message["anonymousId"])[1:].partition("-")[0])
