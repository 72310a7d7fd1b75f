"""`onefold demo`: loads the demo shop through the public API, then shows what the platform made of it.

Each system of the shop sends with a key of its own, as separate sources do. What it took is judged against the
truth that was never sent: every message's profile is read back over the API and compared with its person.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipelines.batch_client import BATCH_EVENTS_MAX, IMPORT_PATH, ApiClient, ApiError, Batch, Send, send_all
from pipelines.demo_accuracy import Accuracy, measure
from pipelines.demo_shop import PEOPLE_DEFAULT, DemoMessage, generate
from pipelines.demo_touchpoints import CURRENCY, TOUCHPOINTS, Touchpoint

T = TypeVar("T")

SEGMENTS: tuple[dict[str, Any], ...] = (
    {
        "id": "demo-recent-buyers",
        "name": "Bought in the last 30 days",
        "criteria": {"type": "transactional", "operator": "at_least", "value": 1, "window": {"last": "30d"}},
    },
    {
        "id": "demo-big-spenders",
        "name": "Spent 500 EUR or more",
        "criteria": {
            "type": "transactional",
            "measure": "revenue",
            "currency": CURRENCY,
            "operator": "at_least",
            "value": 500,
        },
    },
    {
        "id": "demo-win-back",
        "name": "Opened an e-mail, no order for 60 days",
        "criteria": {
            "all": [
                {"type": "behavioral", "event": "Email Opened", "operator": "at_least", "value": 1},
                {"type": "transactional", "operator": "at_least", "value": 1},
                {"type": "transactional", "operator": "equals", "value": 0, "window": {"last": "60d"}},
            ]
        },
    },
)
_CONNECTIONS = 4
# Web and app send userId or anonymousId, as the tracking API wants; the others have ids of their own alone.
_TRACKING: frozenset[Touchpoint] = frozenset({"web", "app"})
_PAGE = 1000
_LOOKUPS, _WARM_UP = 500, 50
_SETTLE_S_MAX = 300.0
_POLL_S = 0.2


@dataclass(frozen=True)
class SegmentSize:
    """One of the demo's segments."""

    segment_id: str
    name: str
    members: int


@dataclass(frozen=True)
class Latency:
    """Profile lookups over HTTP, one after the other on one connection."""

    lookups: int
    p50_ms: float
    p99_ms: float


@dataclass
class DemoReport:
    """What the demo did and found."""

    seed: int
    people: int  # in truth
    events: int  # messages sent, doubled ones too; each was acknowledged
    duplicates: int  # of these, messages that had been taken before
    rejected: int
    load_s: float
    events_per_s: float  # sent and acknowledged, so durable
    settle_s: float  # from the last acknowledgement until everything was applied
    accuracy: Accuracy
    segments: list[SegmentSize]
    profile_key: str
    profile: dict[str, Any]
    lookup: Latency
    urls: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def run_demo(
    base_url: str,
    grpc_target: str,
    key: str,
    people: int = PEOPLE_DEFAULT,
    seed: int = 7,
    console: Console | None = None,
    now: int | None = None,
) -> DemoReport:
    """Loads the shop of `people` into the service at `base_url` and reports.

    `key` needs the admin scope (keys for the shop's systems are made and revoked again); it may be empty where
    the service is open. `grpc_target` is shown, not used. `console` gets the progress bars. The shop's history
    ends at `now` (ms; default: this moment). Raises batch_client.ApiError.
    """
    console = console or Console(stderr=True)
    messages = generate(seed, people, now or time.time_ns() // 1_000_000)
    with ApiClient(base_url, key) as client, _progress(console) as bar:
        load = _load(client, key, messages, bar)
        started = time.monotonic()
        _settle(client)
        settle_s = time.monotonic() - started
        segments = _make_segments(client, bar)
        accuracy = measure(_assignments(client, messages, bar))
        profile_key = _showpiece(messages)
        profile = client.get(f"/v1/profiles/{quote(profile_key, safe=':')}")
        lookup = _measure_lookups(client, messages)
    return DemoReport(
        seed=seed,
        people=people,
        events=len(messages),
        duplicates=load.duplicates,
        rejected=load.rejected,
        load_s=load.seconds,
        events_per_s=len(messages) / load.seconds,
        settle_s=settle_s,
        accuracy=accuracy,
        segments=segments,
        profile_key=profile_key,
        profile=profile,
        lookup=lookup,
        urls={
            "profile": f"{client.base_url}/v1/profiles/{quote(profile_key, safe=':')}",
            "segments": f"{client.base_url}/v1/segments",
            "documentation": f"{client.base_url}/docs",
            "metrics": f"{client.base_url}/metrics",
            "grpc": grpc_target,
        },
    )


@dataclass
class _Load:
    duplicates: int = 0
    rejected: int = 0
    seconds: float = 0.0


def _load(client: ApiClient, key: str, messages: Sequence[DemoMessage], bar: Progress) -> _Load:
    """Sends everything in order of arrival, each system's messages in batches of their own."""
    load = _Load()
    task = bar.add_task("events", total=len(messages))
    with ExitStack() as stack:
        senders = {name: _sender(client, key, name, stack) for name in TOUCHPOINTS}
        started = time.monotonic()
        for batch, answer in send_all(_work(messages, senders), _CONNECTIONS):
            load.duplicates += answer.duplicates
            load.rejected += len({notice.event for notice in answer.rejected})
            bar.advance(task, len(batch.messages))
        load.seconds = time.monotonic() - started
    return load


def _sender(client: ApiClient, key: str, name: Touchpoint, stack: ExitStack) -> Send:
    """How a system sends: by a key of its own, which lives as long as `stack`; by none if the service needs none."""
    path = "/v1/batch" if name in _TRACKING else IMPORT_PATH
    if not key:
        return partial(client.send_batch, path=path)
    made = client.post("/v1/admin/keys", {"name": f"demo-{name}", "scopes": ["ingest"], "source_id": name})
    stack.callback(client.request, "DELETE", f"/v1/admin/keys/{made['key']['id']}")
    return partial(stack.enter_context(ApiClient(client.base_url, made["secret"])).send_batch, path=path)


def _work(messages: Sequence[DemoMessage], senders: dict[Touchpoint, Send]) -> Iterator[tuple[Send, Batch[None]]]:
    waiting: dict[Touchpoint, list[bytes]] = {name: [] for name in senders}
    for message in messages:
        batch = waiting[message.touchpoint]
        batch.append(message.body)
        if len(batch) == BATCH_EVENTS_MAX:
            yield senders[message.touchpoint], Batch(batch, [])
            waiting[message.touchpoint] = []
    for name, rest in waiting.items():
        if rest:
            yield senders[name], Batch(rest, [])


def _settle(client: ApiClient) -> dict[str, Any]:
    """Waits until every event taken in has been applied. Returns the service's status."""

    def settled() -> dict[str, Any] | None:
        status: dict[str, Any] = client.get("/v1/status")
        return None if status["in_flight"] else status

    return _wait_for(settled, "the events are not all applied")


def _make_segments(client: ApiClient, bar: Progress) -> list[SegmentSize]:
    """Creates the segments and waits until each has the size that an exact count gives."""
    task = bar.add_task("segments", total=len(SEGMENTS))
    for definition in SEGMENTS:
        client.post("/v1/segments", definition)
    sizes = []
    for definition in SEGMENTS:
        members = _wait_for(_is_filled(client, definition), f"the segment {definition['id']} is not filled")
        sizes.append(SegmentSize(definition["id"], definition["name"], members))
        bar.advance(task)
    return sizes


def _is_filled(client: ApiClient, definition: dict[str, Any]) -> Callable[[], int | None]:
    """A check that gives the segment's size once it no longer grows and an exact count agrees."""
    seen = -1

    def check() -> int | None:
        nonlocal seen
        before, seen = seen, int(client.get(f"/v1/segments/{definition['id']}")["members"])
        if seen != before:
            return None  # the count looks at every profile: not before it can agree
        counted = client.post("/v1/segments/preview", {"criteria": definition["criteria"]})["members"]
        return seen if seen == counted else None

    return check


def _wait_for(check: Callable[[], T | None], failure: str) -> T:
    deadline = time.monotonic() + _SETTLE_S_MAX
    while (found := check()) is None:
        if time.monotonic() > deadline:
            raise ApiError(0, "timeout", f"{failure} after {_SETTLE_S_MAX:.0f} s")
        time.sleep(_POLL_S)
    return found


def _assignments(client: ApiClient, messages: Sequence[DemoMessage], bar: Progress) -> Iterator[tuple[int, str]]:
    """(true person, profile) of every message, doubled ones once, as read back from the service."""
    person = {message.message_id: message.person for message in messages}
    task = bar.add_task("reading back", total=len(person))
    owner: dict[str, str] = {}
    for event in _stored_events(client):
        if event["message_id"] in person:
            owner[event["message_id"]] = event["customer_id"]
            bar.update(task, completed=len(owner))
    now_in = _current_ids(client, sorted(set(owner.values())))
    for message_id, customer_id in owner.items():
        yield person[message_id], now_in[customer_id]


def _stored_events(client: ApiClient) -> Iterator[dict[str, Any]]:
    """Every event in the shards' logs, with the customer id that it was applied to."""
    after = ",".join(f"{shard['shard']}:0" for shard in client.get("/v1/status")["shards"])
    while True:
        page = client.get(f"/v1/events?limit={_PAGE}&after={quote(after)}")
        yield from page["data"]
        after = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            return


def _current_ids(client: ApiClient, customer_ids: Sequence[str]) -> dict[str, str]:
    """Customer id -> the id of the profile that it is part of now, after later merges."""
    current: dict[str, str] = {}
    for start in range(0, len(customer_ids), _PAGE):
        asked = customer_ids[start : start + _PAGE]
        found = client.post("/v1/profiles/batch", {"keys": [f"customer_id:{one}" for one in asked]})["profiles"]
        current |= {one: profile["customer_id"] if profile else one for one, profile in zip(asked, found, strict=True)}
    return current


def _showpiece(messages: Sequence[DemoMessage]) -> str:
    """Key of the account of the person whom most systems know, of these the one with most messages."""
    touched: dict[int, set[Touchpoint]] = {}
    count: dict[int, int] = {}
    account: dict[int, str] = {}
    for message in messages:
        touched.setdefault(message.person, set()).add(message.touchpoint)
        count[message.person] = count.get(message.person, 0) + 1
        if user_id := _user_id(message):
            account[message.person] = user_id
    best = max(account, key=lambda person: (len(touched[person]), count[person], -person))
    return f"user_id:{account[best]}"


def _measure_lookups(client: ApiClient, messages: Sequence[DemoMessage]) -> Latency:
    accounts = sorted({user_id for message in messages if (user_id := _user_id(message))})
    taken_ms = []
    for account in itertools.islice(itertools.cycle(accounts), _WARM_UP + _LOOKUPS):
        started = time.perf_counter()
        client.get(f"/v1/profiles/user_id:{account}")
        taken_ms.append((time.perf_counter() - started) * 1000)
    cuts = statistics.quantiles(taken_ms[_WARM_UP:], n=100)
    return Latency(_LOOKUPS, cuts[49], cuts[98])


def _user_id(message: DemoMessage) -> str:
    _, found, rest = message.body.partition(b'"userId":"')
    return rest[: rest.index(b'"')].decode() if found else ""


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


def print_demo(report: DemoReport, console: Console) -> None:
    """The report for people: figures, segments, one profile in full, latency, URLs."""
    accuracy = report.accuracy
    lines = [
        f"[bold]Events[/]     {report.events:,} taken in {report.load_s:.1f} s: {report.events_per_s:,.0f} per second, "
        f"each durable; {report.duplicates:,} were duplicates, {report.rejected:,} refused; "
        f"all applied {report.settle_s:.1f} s later",
        f"[bold]People[/]     {accuracy.profiles:,} profiles found for {accuracy.people:,} people",
        f"[bold]Unified[/]    {accuracy.unified:.1%} of messages are on their person's main profile, "
        "by exact identifiers and matching",
        f"[bold]Accuracy[/]   pairwise precision {accuracy.pairwise_precision:.3f}, recall "
        f"{accuracy.pairwise_recall:.3f}, F1 {accuracy.pairwise_f1:.3f}; B-cubed precision "
        f"{accuracy.bcubed_precision:.3f}, recall {accuracy.bcubed_recall:.3f}, F1 {accuracy.bcubed_f1:.3f}; "
        f"{accuracy.exact:.1%} of people are exactly one profile",
        *(f"[bold]Segment[/]    {segment.name}: {segment.members:,}" for segment in report.segments),
        f"[bold]Profile[/]    {report.profile_key}, in full:",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    console.print_json(data=report.profile)
    console.print(
        f"[bold]Lookups[/]    p50 {report.lookup.p50_ms:.1f} ms, p99 {report.lookup.p99_ms:.1f} ms "
        f"({report.lookup.lookups} profiles over HTTP, one after the other)",
        highlight=False,
        soft_wrap=True,
    )
    for name, url in report.urls.items():
        console.print(f"[bold]{name:10}[/] {url}", highlight=False, soft_wrap=True)
